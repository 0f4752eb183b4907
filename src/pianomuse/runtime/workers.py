"""The threads that compute a step together.

One team serves the whole process: the calling thread is rank 0, the others wait in a queue for their part. A lock lets
one piece of work run at a time, so that calls from several Python threads are safe and never fight for the processors.
Inside the compiled code, with the interpreter's lock released, the threads share the work item by item; a thread that
gets no processor, or gets it late, is not waited for (kernels/sync.py).
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from queue import SimpleQueue
from threading import Event, Lock, Thread

MAX_THREADS = 64
Part = Callable[[int], None]  # takes the rank
Jobs = SimpleQueue[tuple[Part, int, Event]]


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

    def run(self, part: Part, n_threads: int, abandon: Callable[[], None]) -> None:
        """Call part(rank) on n threads at once; return when rank 0, the calling thread, is through with it.

        Args:
            part: compiled work without the interpreter's lock. When rank 0 is through, all work must be done; the
                others may then still find that nothing is left for them.
            n_threads: how many, the calling thread included.
            abandon: makes the other parts end when the calling thread is interrupted.
        """
        with self._lock:
            self._start(n_threads - 1)
            started: list[Event] = []
            try:
                for rank in range(1, n_threads):
                    end = Event()
                    self._queues[rank - 1].put((part, rank, end))
                    started.append(end)
                part(0)
            except BaseException:
                abandon()
                for end in started:
                    end.wait()
                raise

    def _start(self, n: int) -> None:
        if self._process != os.getpid():  # a forked process has the queues but not the threads
            self._process, self._queues = os.getpid(), []
        while len(self._queues) < n:
            queue: Jobs = SimpleQueue()
            self._queues.append(queue)
            name = f"pianomuse-{len(self._queues)}"
            Thread(target=_serve, args=(queue,), name=name, daemon=True).start()


def _serve(queue: Jobs) -> None:
    while True:
        part, rank, end = queue.get()
        try:
            part(rank)
        finally:
            end.set()
        del part


WORKERS = Workers()
