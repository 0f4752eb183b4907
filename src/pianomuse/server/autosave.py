"""Where the studio keeps what is open, so that nothing is lost when a window closes, and no window overwrites another.

A document that says which `work` it is has a file of its own; one that does not goes to a single slot. The tag of a
file changes with every writing: whoever gives the tag that was last seen is refused where another has written since.

A file that cannot be read keeps nothing from working and is not written over: it is set aside, and that is said.
"""

from __future__ import annotations

import json
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from pianomuse.errors import RequestError, cannot_write
from pianomuse.midi.write import set_aside, write_atomically
from pianomuse.reading import read_bounded
from pianomuse.server.bounds import REQUEST_BYTES, TEXT

LOG = logging.getLogger(__name__)
WORKS_KEPT = 40
"""The works written last stay; older ones go."""
_WORK = re.compile(r"[A-Za-z0-9-]{8,64}")


class ChangedMeanwhileError(RequestError):
    """Somebody else has written the same work since it was read."""


@dataclass(frozen=True)
class Kept:
    """A document on disk, and the tag of this writing of it."""

    document: bytes
    tag: str


def slot_path() -> Path:
    """Return where the slot is: in `PIANOMUSE_CONFIG` if that is set, else where this system keeps users' data."""
    folder = os.environ.get("PIANOMUSE_CONFIG")
    return (Path(folder) if folder else user_data_path("pianomuse", appauthor=False)) / "studio.json"


def keep(document: bytes, seen: str | None = None) -> str:
    """Keep a JSON object; the file is as it was or whole. Return its new tag.

    Args:
        document: the object; `work` in it, if it has one, is 8 to 64 letters, digits and hyphens.
        seen: the tag of the writing it follows; None: of none.

    Raises:
        RequestError: it is no JSON object.
        ChangedMeanwhileError: what is kept is another writing than the one that was seen.
        StorageError: it cannot be written.

    """
    found = _object(document)
    path = _path_of(found["work"]) if "work" in found else slot_path()
    _read(path)  # what is damaged there is set aside
    try:
        if seen is not None and path.is_file() and _tag(path) != seen:
            raise ChangedMeanwhileError("It was changed elsewhere since it was read: read it again, or keep another.")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, document)
        for old in _newest_first()[WORKS_KEPT:]:
            old.unlink(missing_ok=True)
        return _tag(path)
    except OSError as error:
        raise cannot_write(path, error) from error


def kept(work: str | None = None) -> Kept | None:
    """Return a work or, without its name, what was written last; None if nothing was.

    Raises:
        RequestError: no name of a work.

    """
    if work is not None:
        return _read(_path_of(work))
    return next(filter(None, map(_read, _newest_first(slot_path()))), None)


def works() -> list[dict[str, Any]]:
    """Return the works on disk, the one written last first: `work`, `title`, `notes` and `saved_at` in milliseconds."""
    found = []
    for path in _newest_first():
        try:
            project = json.loads(read_bounded(path, REQUEST_BYTES)).get("project") or {}
            saved_at = path.stat().st_mtime_ns // 1_000_000
            title, n_notes = _sayable(str(project.get("title", ""))), len(project.get("notes", ()))
        except (OSError, ValueError, AttributeError, TypeError, RecursionError):
            continue  # not written by the studio
        found.append({"work": path.stem, "title": title, "notes": n_notes, "saved_at": saved_at})
    return found


def _object(document: bytes) -> dict[str, Any]:
    """Read a JSON object in UTF-8; a browser takes no other encoding back, and no NaN."""
    try:
        found = json.loads(document.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise RequestError(
            "The body is no JSON object: send the project, or an object that holds it.", "body_no_object"
        )
    return found


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def _sayable(title: str) -> str:
    """Return a title as it can be sent: JSON can spell halves of characters, UTF-8 cannot."""
    return title.encode(errors="replace").decode()[:TEXT]


def _path_of(work: object) -> Path:
    if not isinstance(work, str) or not _WORK.fullmatch(work):
        raise RequestError("work: name it with 8 to 64 letters, digits and hyphens", "work_name")
    return slot_path().parent / "works" / f"{work}.json"


def _read(path: Path) -> Kept | None:
    """Return a document; None where there is none, or none that can be read, which is then set aside."""
    try:
        document = read_bounded(path, REQUEST_BYTES)
        _object(document)
        return Kept(document, _tag(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        reason = error.strerror
    except RequestError:
        reason = "it is no JSON object"
    kept = set_aside(path)
    where = f"it is kept as {kept.name}" if kept else "mend or remove it"
    LOG.warning("%s, where the studio keeps a piece, cannot be read (%s): %s.", path, reason, where)
    return None


def _newest_first(*more: Path) -> list[Path]:
    paths = [path for path in (*(slot_path().parent / "works").glob("*.json"), *more) if path.exists()]
    return sorted(paths, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def _tag(path: Path) -> str:
    status = path.stat()
    return f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
