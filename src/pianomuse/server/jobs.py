"""Ideas being written for somebody who may leave at any time.

A job runs in a thread of its own and is cancelled between two tokens. Closing the connection cancels it: the dependency
that made the job does that when the response ends. A generator suspended at `yield` when its client leaves is not
closed for many seconds (FastAPI 0.165, Starlette 1.10), so nothing may be held there.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from threading import Condition, Event, Thread

from pianomuse.errors import PianoMuseError
from pianomuse.generate.session_events import IdeasRanked
from pianomuse.generate.stream import Stream
from pianomuse.server import bounds
from pianomuse.server.faults import FAULT, Refusal, code_of, detail_of, message_of
from pianomuse.server.wire import ErrorEvent, WireEvent, done, spoken

PATIENCE_S = 1.0
LOG = logging.getLogger(__name__)


class Turns:
    """One model for all: whoever waits longest works next, for one event."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._changed = Condition()
        self._waiting: deque[object] = deque()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn and take it."""
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            self._changed.wait_for(lambda: self._waiting[0] is ticket)
        try:
            yield
        finally:
            with self._changed:
                self._waiting.popleft()
                self._changed.notify_all()


class Job:
    """One request for ideas, on its way.

    Args:
        stream: the ideas.
        tracks: for each track of the piece the index of the project's track.
        turns: for the model.
        seconds: how long it may take.
        when_over: called once, when nobody works on it any more.

    """

    def __init__(
        self, stream: Stream, tracks: Sequence[int], turns: Turns, seconds: float, when_over: Callable[[Job], None]
    ) -> None:
        """Keep what is needed; `start` begins."""
        self.id = secrets.token_hex(8)
        self._stream, self._tracks, self._turns, self._seconds = stream, tracks, turns, seconds
        self._when_over = when_over
        self._cancelled = Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lines: asyncio.Queue[WireEvent | None] = asyncio.Queue()

    def start(self) -> None:
        """Begin to write, in a thread; call it in the event loop that will read."""
        self._loop = asyncio.get_running_loop()
        Thread(target=self._run, name=f"pianomuse-job-{self.id}", daemon=True).start()

    def cancel(self) -> None:
        """Write no more; the model is free within one token. From any thread, any number of times."""
        self._cancelled.set()
        self._stream.close()

    async def events(self) -> AsyncIterator[WireEvent]:
        """Iterate over the lines for the client."""
        while (line := await self._lines.get()) is not None:
            yield line

    def _run(self) -> None:
        try:
            for line in self._write():
                self._tell(line)
        except PianoMuseError as error:
            self._tell(ErrorEvent(code=code_of(error), message=message_of(error), **detail_of(error.sentence)))
        except Exception:
            LOG.exception("a request for ideas failed")
            self._tell(ErrorEvent(code="fault", message=FAULT))
        finally:
            self._when_over(self)
            self._tell(None)

    def _write(self) -> Iterator[WireEvent]:
        begun = time.perf_counter()
        while True:
            with self._turns.turn():
                event = None if self._cancelled.is_set() else next(self._stream, None)
            if event is None:
                return
            yield spoken(event, self._stream, self.id, self._tracks)
            seconds = time.perf_counter() - begun
            if isinstance(event, IdeasRanked):
                yield done(self._stream, event.candidates, seconds)
            elif seconds > self._seconds:
                self._stream.close()
                yield ErrorEvent(
                    code="too_slow",
                    message=f"The ideas took longer than {self._seconds:g} seconds: ask for fewer bars or fewer ideas.",
                )

    def _tell(self, line: WireEvent | None) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._lines.put_nowait, line)
        except RuntimeError:  # the server has stopped; nobody listens
            self.cancel()


class Jobs:
    """All requests for ideas there are."""

    def __init__(self, *, most: int = bounds.STREAMS, seconds: float = bounds.REQUEST_SECONDS) -> None:
        """Begin without any."""
        self.most, self.seconds = most, seconds
        self._turns = Turns()
        self._running: dict[str, Job] = {}
        self._n_beginning = 0

    @property
    def n_running(self) -> int:
        """How many are being written, cancelled ones counted until they have stopped."""
        return len(self._running)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Keep a place while a request is prepared; wait a moment for one, as cancelled requests are about to stop.

        Raises:
            Refusal: all are taken.

        """
        given_up = time.monotonic() + PATIENCE_S
        while self._n_beginning + len(self._running) >= self.most:
            if time.monotonic() > given_up:
                raise Refusal(
                    429, "busy", f"The model is writing for {self.most} requests: wait for one, or close another tab."
                )
            await asyncio.sleep(0.02)
        self._n_beginning += 1
        try:
            yield
        finally:
            self._n_beginning -= 1

    def begin(self, stream: Stream, tracks: Sequence[int]) -> Job:
        """Begin to write the ideas of a stream."""
        job = Job(stream, tracks, self._turns, self.seconds, self._forget)
        self._running[job.id] = job
        job.start()
        return job

    def cancel(self, job_id: str) -> bool:
        """Cancel a request; tell whether there was one of that number."""
        job = self._running.get(job_id)
        if job is not None:
            job.cancel()
        return job is not None

    def cancel_all(self) -> None:
        """Cancel every request."""
        for job in list(self._running.values()):
            job.cancel()

    def _forget(self, job: Job) -> None:
        self._running.pop(job.id, None)
