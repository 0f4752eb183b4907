"""Write files so that nothing is ever lost: never half a file, never over an existing one by accident."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from symusic import Score


def write_atomically(path: str | Path, data: bytes) -> Path:
    """Write `data` to `path` in one step: aside in the same folder, to the disk, then renamed into place."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(aside).chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask())
        Path(aside).replace(target)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
    return target


def unused_path(path: str | Path) -> Path:
    """Return `path`, or where that exists the first one like it that does not: the last number in its stem goes on.

    >>> unused_path("no such folder/waltz.completion-1.mid").name
    'waltz.completion-1.mid'
    """
    wanted = Path(path)
    numbered = re.fullmatch(r"(.*[-.])(\d{1,9})", wanted.stem)
    stem, number = (numbered[1], int(numbered[2])) if numbered else (f"{wanted.stem}-", 1)
    while os.path.lexists(wanted):
        number += 1
        wanted = wanted.with_name(f"{stem}{number}{wanted.suffix}")
    return wanted


def score_bytes(score: Score) -> bytes:
    """Return a score as a standard MIDI file."""
    return bytes(score.dumps_midi())


def _umask() -> int:
    """Return the process's file mode mask; there is no way to ask for it but to set it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
