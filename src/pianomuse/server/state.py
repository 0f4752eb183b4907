"""What a running server holds, and how an address function gets at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import BoundedSemaphore, Event, Lock
from typing import Annotated

from fastapi import Depends, Request

from pianomuse.api import Muse
from pianomuse.server import bounds
from pianomuse.server.faults import Refusal
from pianomuse.server.jobs import Jobs
from pianomuse.server.sessions import Sessions
from pianomuse.server.tuning import Tuning


class State:
    """The model, everything that is being done with it, and the file that is watched.

    Args:
        muse: the model.
        watched: a MIDI file that another program writes.
        jobs: requests for ideas.

    """

    def __init__(self, muse: Muse, watched: Path | None = None, jobs: Jobs | None = None) -> None:
        """Hold a model that nobody uses yet."""
        self.muse = muse
        self.watched = watched
        self.jobs = jobs or Jobs()
        self.sessions = Sessions(muse)
        self.tuning = Tuning()
        self.is_stopping = Event()
        """The server is about to stop: whoever waits for something ends."""
        self.slot = Lock()
        """For what is kept on disk."""
        self.patience_s = 5.0
        """How long an import or export waits for its turn."""
        self._conversions = BoundedSemaphore(bounds.CONVERSIONS)

    @contextmanager
    def converting(self) -> Iterator[None]:
        """Import or export.

        Raises:
            Refusal: as many as may be are being done already.

        """
        if not self._conversions.acquire(timeout=self.patience_s):
            raise Refusal(429, "busy", "The server is importing and exporting other files: try again in a moment.")
        try:
            yield
        finally:
            self._conversions.release()

    def use(self, muse: Muse) -> None:
        """Let ideas asked for from now on come from this model; those under way end as they began."""
        before = self.sessions
        self.muse, self.sessions = muse, Sessions(muse)
        before.close()

    def stop(self) -> None:
        """Let every answer that is under way end; it may be called in a signal handler."""
        self.is_stopping.set()
        self.jobs.cancel_all()

    def close(self) -> None:
        """Stop all work."""
        self.stop()
        self.tuning.cancel()
        self.sessions.close()


def state_of(request: Request) -> State:
    """Return what the server holds."""
    state: State = request.app.state.pianomuse
    return state


Held = Annotated[State, Depends(state_of)]
