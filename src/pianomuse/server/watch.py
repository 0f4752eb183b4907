"""A MIDI file that another program writes: tell the page when it was written."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from threading import Event

POLL_S = 0.4
_HEARTBEAT_POLLS = 40


async def changes(path: Path, is_stopping: Event, poll_s: float = POLL_S) -> AsyncIterator[str]:
    """Iterate over server-sent events: `changed`, when the file was written and has stayed as it is for a moment."""
    told = now = _written_at(path)
    n_polls = 0
    yield ": watching\n\n"
    while not is_stopping.is_set():
        await asyncio.sleep(poll_s)
        before, now = now, _written_at(path)
        n_polls += 1
        if now == before and now != told and now is not None:
            told = now
            yield f"event: changed\ndata: {json.dumps({'name': path.name, 'bytes': now[1]})}\n\n"
        elif n_polls % _HEARTBEAT_POLLS == 0:
            yield ": still watching\n\n"


def _written_at(path: Path) -> tuple[int, int] | None:
    """Return when a file was written, and its size; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
