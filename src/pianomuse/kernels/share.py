"""Share equal pieces of compiled work among threads, each with work memory of its own.

Plain threads that live for one call, not numba's: its default pool ends the process when two Python threads call it at
once, and a pool that outlives the call hangs after a fork.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def share(piece: Callable[[int, Floats], None], n_pieces: int, n_work: int, threads: int | None) -> None:
    """Call piece(index, work) for every index; each thread has its own work memory and takes the next index."""
    indices = iter(range(n_pieces))
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work = aligned((n_work,))
            for index in indices:
                piece(index, work)
        except BaseException as failure:  # raised again in the calling thread
            failures.append(failure)

    n_threads = min(threads or os.cpu_count() or 1, n_pieces)
    helpers = [threading.Thread(target=run) for _ in range(n_threads - 1)]
    for helper in helpers:
        helper.start()
    run()
    for helper in helpers:
        helper.join()
    if failures:
        raise failures[0]


def aligned(shape: tuple[int, ...]) -> Floats:
    """Return an uninitialised float32 array that starts at a multiple of 64 bytes (a vector then is one cache line)."""
    size = int(np.prod(shape))
    memory = np.empty(size + 16, np.float32)
    start = -memory.ctypes.data % 64 // 4
    return memory[start : start + size].reshape(shape)
