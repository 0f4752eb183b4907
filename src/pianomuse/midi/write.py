"""Write files so that nothing is ever lost: never half a file, never over an existing one by accident."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from symusic import ControlChange, Score

from pianomuse.midi.events import SUSTAIN, Event, chunk_bytes, file_bytes, parse
from pianomuse.midi.parts import is_sustain

_SUFFIX = ".part"


def write_atomically(path: str | Path, data: bytes) -> Path:
    """Write `data` to `path` in one step: aside in the same folder, to the disk, then renamed into place."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with writing_aside(target) as file:
        file.write(data)
    return target


@contextmanager
def writing_aside(target: Path) -> Iterator[BinaryIO]:
    """Open a file beside `target` that takes its place when the block ends, and vanishes if the block fails."""
    prefix = f".{target.name.encode()[:100].decode(errors='ignore')}."  # a name has at most 255 bytes
    _clear(target.parent, prefix)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=prefix, suffix=_SUFFIX)
    aside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask())
        aside.replace(target)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


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


def set_aside(path: Path) -> Path | None:
    """Keep what is damaged under a name of its own, beside where it stood; None where it cannot be moved."""
    kept = unused_path(path.with_name(f"{path.name}.damaged"))
    try:
        path.rename(kept)
    except OSError:
        return None
    return kept


def score_bytes(score: Score) -> bytes:
    """Return a score as a standard MIDI file.

    symusic (0.6.0) writes controllers and forgets pedals, so where a track has pedals and no sustain controllers they
    are written as such. It also writes controllers before the note-offs of their tick; a pedal pressed there would
    catch the notes that end, so it comes last.
    """
    whole = score.copy()
    for track in whole.tracks:
        if len(track.pedals) and all(control.number != SUSTAIN for control in track.controls):
            moves = [(pedal.time + pedal.duration, 0) for pedal in track.pedals]
            moves += [(pedal.time, 127) for pedal in track.pedals]
            for tick, value in sorted(moves):
                track.controls.append(ControlChange(tick, SUSTAIN, value, ttype="tick"))
    file = parse(bytes(whole.dumps_midi()), "The score")
    chunks = [chunk_bytes(sorted(chunk.events, key=_press_last), chunk.end_tick) for chunk in file.chunks]
    return file_bytes(chunks, file.ticks_per_quarter)


def _press_last(event: Event) -> tuple[int, bool]:
    tick, raw = event
    return tick, is_sustain(raw) and raw[2] >= 64


def _clear(folder: Path, prefix: str) -> None:
    """Remove what processes that were killed left beside a file; none writes one file for a day."""
    long_ago = time.time() - 86_400
    for entry in list(os.scandir(folder)):
        if entry.name.startswith(prefix) and entry.name.endswith(_SUFFIX):
            with suppress(OSError):
                if entry.stat(follow_symlinks=False).st_mtime < long_ago:
                    os.unlink(entry.path)


def _umask() -> int:
    """Return the process's file mode mask; there is no way to ask for it but to set it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
