"""The threads that compute a step together.

One team serves the whole process: the calling thread is rank 0, the others wait in a queue for their part. A lock lets
one piece of work run at a time, so that calls from several Python threads are safe and never fight for the processors.
The threads meet inside the compiled code (kernels/sync.py), with the interpreter's lock released.

Threads that meet a hundred times in a millisecond need processors of their own: on a machine whose processors are all
busy with other work, a step of two threads was measured at 126 ms where one thread needed 1.4 ms of processor time.
The team therefore watches how much of its time it got, and where that is little the calling thread goes on alone for
a while. Results do not depend on the number of threads, so nobody notices but by the speed.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from queue import SimpleQueue
from threading import Event, Lock, Thread
from time import monotonic, thread_time

MAX_THREADS = 64
WINDOW_SECONDS = 0.02  # how long the team works before its time is judged
ENOUGH = 0.8  # share of the processor each thread must get
ALONE_SECONDS = (1.0, 16.0)  # first and longest time to go on alone; doubled each time the team meets a crowd again

Part = Callable[[int, int], None]  # (rank, number of threads)
Jobs = SimpleQueue[tuple[Part, int, int, Event]]


def default_threads() -> int:
    """Return how many threads serve a model: the processors this process may use, at most four.

    Reading the weights is what takes the time, and few threads use up the memory's bandwidth.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, 4)


def yield_address() -> int:
    """Return the address of the system's function that gives the processor away; 0 if there is none we know."""
    try:
        if sys.platform == "win32":
            function = ctypes.windll.kernel32.SwitchToThread
        else:
            function = ctypes.CDLL(None).sched_yield
    except (OSError, AttributeError):
        return 0
    return ctypes.cast(function, ctypes.c_void_p).value or 0


class Workers:
    """Threads of ranks 1, 2, ...: started when first needed; between two pieces of work they sleep."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._lock = Lock()
        self._queues: list[Jobs] = []
        self._process = os.getpid()
        self._crowd = Crowd()

    def run(self, part: Part, n_threads: int, abandon: Callable[[], None]) -> None:
        """Call part(rank, n) on n threads at once; return when all parts have ended.

        Args:
            part: compiled work without the interpreter's lock; the parts end together, by a last meeting.
            n_threads: how many, the calling thread included; n is this, or 1 while the machine is crowded.
            abandon: makes the other parts end when this thread is interrupted.
        """
        with self._lock:
            n = 1 if self._crowd.is_there() else n_threads
            self._start(n - 1)
            started: list[Event] = []
            try:
                for rank in range(1, n):
                    end = Event()
                    self._queues[rank - 1].put((part, rank, n, end))
                    started.append(end)
                self._timed(part, 0, n)
            except BaseException:
                abandon()
                for end in started:
                    end.wait()
                raise

    def _timed(self, part: Part, rank: int, n: int) -> None:
        began, had = monotonic(), thread_time()
        part(rank, n)
        if n > 1:
            self._crowd.note(rank, thread_time() - had, monotonic() - began)

    def _start(self, n: int) -> None:
        if self._process != os.getpid():  # a forked process has the queues but not the threads
            self._process, self._queues = os.getpid(), []
        while len(self._queues) < n:
            queue: Jobs = SimpleQueue()
            self._queues.append(queue)
            name = f"pianomuse-{len(self._queues)}"
            Thread(target=self._serve, args=(queue,), name=name, daemon=True).start()

    def _serve(self, queue: Jobs) -> None:
        while True:
            part, rank, n, end = queue.get()
            try:
                self._timed(part, rank, n)
            finally:
                end.set()
            del part


class Crowd:
    """Watches whether every thread of the team gets a processor."""

    def __init__(self) -> None:
        """Begin with confidence."""
        self._alone_until = 0.0
        self._alone_seconds = ALONE_SECONDS[0]
        self._had: dict[int, float] = {}
        self._wanted: dict[int, float] = {}

    def note(self, rank: int, had_seconds: float, wanted_seconds: float) -> None:
        """Take down how much processor time a thread had in how much time."""
        self._had[rank] = self._had.get(rank, 0.0) + had_seconds
        self._wanted[rank] = self._wanted.get(rank, 0.0) + wanted_seconds

    def is_there(self) -> bool:
        """Return whether to go on alone."""
        now = monotonic()
        if now < self._alone_until:
            return True
        if max(self._wanted.values(), default=0.0) > WINDOW_SECONDS:
            shares = [self._had[rank] / max(self._wanted[rank], 1e-9) for rank in self._had]
            self._had, self._wanted = {}, {}
            if min(shares) < ENOUGH:
                self._alone_until = now + self._alone_seconds
                self._alone_seconds = min(2 * self._alone_seconds, ALONE_SECONDS[1])
                return True
            self._alone_seconds = ALONE_SECONDS[0]
        return False


WORKERS = Workers()
