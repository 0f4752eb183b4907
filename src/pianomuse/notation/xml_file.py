"""Open a MusicXML file, plain or compressed, as elements: bounded, and without anything that a document could run.

Entities are refused (a document of a few bytes can grow to gigabytes with them, or name files of this machine); the
document type that every MusicXML file names is never fetched.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.parsers import expat

from pianomuse.coded import coded
from pianomuse.errors import MidiError, reason_of

MAX_FILE_BYTES = 32 * 2**20
THE_DATA = coded("The MusicXML data", "the_data")
MAX_DOCUMENT_BYTES = 128 * 2**20
MAX_ELEMENTS = 3_000_000
MAX_DEPTH = 60
_CONTAINER = "META-INF/container.xml"
_MAX_CONTAINER_BYTES = 2**16


def open_musicxml(source: Path | bytes) -> tuple[ET.Element, str]:
    """Return the `score-partwise` of a file, and the file's name.

    Args:
        source: the file, or its bytes.

    Raises:
        MidiError: not readable, not MusicXML, damaged or too large; one sentence says what to do.
    """
    data, name = (source, THE_DATA) if isinstance(source, bytes) else (_read(source), source.name)
    if len(data) > MAX_FILE_BYTES:
        raise MidiError(
            f"{name} is larger than {MAX_FILE_BYTES >> 20} MB: give a shorter piece.",
            "file_too_large",
            file=name,
            most=MAX_FILE_BYTES >> 20,
        )
    if data[:2] == b"PK":
        data = _unpacked(data, name)
    root = parse_xml(data, name)
    if root.tag == "score-timewise":
        raise MidiError(
            f"{name} is written bar by bar (score-timewise): export it as score-partwise, the usual form.",
            "score_timewise",
            file=name,
        )
    if root.tag != "score-partwise":
        raise MidiError(
            f"{name} is XML, but not a MusicXML score (<{root.tag[:40]}>): export it as MusicXML.",
            "xml_no_score",
            file=name,
            value=root.tag[:40],
        )
    return root, name


def parse_xml(data: bytes, name: str) -> ET.Element:
    """Parse a document that a stranger wrote.

    Raises:
        MidiError: no XML, or with entities, or too large or too deep.
    """
    builder = ET.TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    depth = n_elements = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, n_elements
        depth, n_elements = depth + 1, n_elements + 1
        if depth > MAX_DEPTH or n_elements > MAX_ELEMENTS:
            raise MidiError(
                f"{name} is larger or deeper than any score: give a shorter piece.", "xml_too_deep", file=name
            )
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> None:
        raise MidiError(
            f"{name} declares entities, which no score needs and which can do harm: export it again.",
            "xml_entities",
            file=name,
        )

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = lambda *_: 1  # the document type; nothing is fetched
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code)
        raise MidiError(
            f"{name} is not readable as XML (line {error.lineno}: {what}): export it again.",
            "xml_unreadable",
            file=name,
            line=error.lineno,
        ) from error
    except (LookupError, ValueError) as error:  # Python knows no such encoding, or it takes several bytes a character
        said = f"{name} is XML in an encoding that is not read here: export it again, as UTF-8."
        raise MidiError(said, "xml_encoding", file=name) from error
    return builder.close()


def _read(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise MidiError(f"{path.name} is a folder: give one file.", "file_is_folder", file=path.name)
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise MidiError(
            f"{path.name} cannot be read ({error.strerror}): check the path.",
            "file_unreadable",
            file=path.name,
            why=reason_of(error),
        ) from error


def _unpacked(data: bytes, name: str) -> bytes:
    """Return the score inside of a compressed file: the one its container names."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            container = parse_xml(_entry(archive, _CONTAINER, _MAX_CONTAINER_BYTES, name), name)
            place = next((found.get("full-path", "") for found in container.iter() if _is_rootfile(found)), "")
            return _entry(archive, place, MAX_DOCUMENT_BYTES, name)
    except KeyError as error:
        raise MidiError(
            f"{name} is a zip file without a score (no {error.args[0]}): export it as .mxl again.",
            "zip_no_score",
            file=name,
        ) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise MidiError(f"{name} is damaged ({error}): export or copy it again.", "zip_damaged", file=name) from error


def _is_rootfile(element: ET.Element) -> bool:
    return element.tag.rpartition("}")[2] == "rootfile"


def _entry(archive: zipfile.ZipFile, path: str, max_bytes: int, name: str) -> bytes:
    if archive.getinfo(path).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        said = f"{name} is packed as no .mxl file is: export it again."  # others may ask for gigabytes
        raise MidiError(said, "zip_packing", file=name)
    with archive.open(path) as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise MidiError(
            f"{name} unpacks to more than {max_bytes >> 20 or 1} MB: give a shorter piece.",
            "unpacks_too_large",
            file=name,
            most=max_bytes >> 20 or 1,
        )
    return data
