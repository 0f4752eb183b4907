"""Unpack a zip file that a stranger made: no file outside of the folder, no links, no bombs.

Everything is looked at before anything is written, and one bad entry condemns the archive: no corpus needs one.
"""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from pianomuse.errors import FetchError, StorageError

MAX_ENTRIES = 100_000
MAX_PATH = 240
MAX_RATIO = 200
SMALL_BYTES = 2**20  # below this a file may be as compressible as it likes
BLOCK_BYTES = 2**18
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # names that Windows keeps for itself
_UNPORTABLE = re.compile(r'[\x00-\x1f<>:"|?*]|[. ]$')

Choose = Callable[[PurePosixPath], PurePosixPath | None]
"""Given an entry's path without the archive's own top folder, returns where it goes, or None to leave it out."""
Progress = Callable[[int, int], None]
"""Called with bytes written and bytes in all."""


def unpack(
    archive: Path,
    folder: Path,
    choose: Choose,
    *,
    max_bytes: int,
    progress: Progress = lambda done, total: None,
) -> int:
    """Write the chosen files of an archive into a folder that is new.

    Args:
        archive: the zip file.
        folder: where to; its files are ours alone.
        choose: says which entries are wanted, and under which path.
        max_bytes: of all of them together.
        progress: told how far it is.

    Returns:
        The number of files written.

    Raises:
        FetchError: not a zip file, damaged, or with entries that have no business in a corpus.
        StorageError: the disk is full.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            wanted = _wanted(opened, archive.name, choose, max_bytes)
            total = sum(entry.file_size for entry in wanted.values())
            done = 0
            for path, entry in wanted.items():
                done = _write(opened, entry, folder.joinpath(*path.parts), done)
                progress(done, total)
            return len(wanted)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeError) as error:
        raise FetchError(f"{archive.name}: damaged or not a zip file ({error}); fetch it again") from error


def _wanted(opened: zipfile.ZipFile, name: str, choose: Choose, max_bytes: int) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """Look at every entry; return the chosen ones by where they go."""
    entries = opened.infolist()
    if len(entries) > MAX_ENTRIES:
        raise FetchError(f"{name}: {len(entries):,} entries, more than {MAX_ENTRIES:,}; this is not the corpus")
    found: dict[PurePosixPath, zipfile.ZipInfo] = {}
    taken: set[str] = set()
    for entry in entries:
        path = _safe_path(entry, name)
        inside = PurePosixPath(*path.parts[1:])
        if entry.is_dir() or not inside.parts or (target := choose(inside)) is None:
            continue
        if any(_UNPORTABLE.search(part) or _RESERVED.fullmatch(part) for part in path.parts):
            raise FetchError(f"{name}: {path} cannot be written on every system; this is not the corpus")
        if entry.file_size > SMALL_BYTES and entry.file_size > MAX_RATIO * max(entry.compress_size, 1):
            raise FetchError(f"{name}: {path} grows to {entry.file_size:,} bytes, a zip bomb; this is not the corpus")
        if (key := str(target).casefold()) in taken:
            raise FetchError(f"{name}: {path} is there twice; this is not the corpus")
        taken.add(key)
        found[target] = entry
    total = sum(entry.file_size for entry in found.values())
    if total > max_bytes:
        raise FetchError(f"{name}: unpacks to {total:,} bytes, more than {max_bytes:,}; this is not the corpus")
    return found


def _safe_path(entry: zipfile.ZipInfo, name: str) -> PurePosixPath:
    """Return an entry's path, if it leads to a plain file or folder inside of the archive's own."""
    raw = entry.orig_filename
    parts = raw.rstrip("/").split("/")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise FetchError(f"{name}: {raw[:80]!r} is a link or a device; this is not the corpus")
    if entry.flag_bits & 1:
        raise FetchError(f"{name}: {raw[:80]!r} is encrypted; this is not the corpus")
    is_bad = raw.startswith("/") or len(raw) > MAX_PATH or any(sign in raw for sign in "\\\0") or raw[1:2] == ":"
    if is_bad or any(part in ("", ".", "..") for part in parts):
        raise FetchError(f"{name}: an entry is called {raw[:80]!r}, which leads elsewhere; this is not the corpus")
    return PurePosixPath(*parts)


def _write(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, done: int) -> int:
    """Write one entry; zipfile compares its checksum at its end."""
    room = entry.file_size
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with opened.open(entry) as source, target.open("xb") as file:
            while block := source.read(BLOCK_BYTES):
                room -= len(block)
                if room < 0:
                    raise FetchError(f"{entry.filename}: larger than the archive says; this is not the corpus")
                file.write(block)
                done += len(block)
    except OSError as error:
        raise StorageError(f"{target}: cannot be written ({error.strerror}); make room and run it again") from error
    return done
