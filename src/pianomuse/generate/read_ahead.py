"""Reading in the background: the piece is read while the composer does something else, and never in anybody's way."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition, Event, Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pianomuse.generate.side import Side
from pianomuse.generate.states import StateCache

_FEWEST_BARS = 4
_PAUSE_S = 0.02  # after an answer, so that a reader of events who asks for the next one at once is not kept waiting
LOG = logging.getLogger(__name__)


class Turns:
    """Whoever answers the composer goes first; reading ahead takes the pauses between answers."""

    def __init__(self) -> None:
        """Nobody is at work."""
        self._changed = Condition()
        self._n_answering = 0
        self._free_since = 0.0

    @contextmanager
    def answer(self) -> Iterator[None]:
        """Work for the composer."""
        with self._changed:
            self._n_answering += 1
        try:
            yield
        finally:
            with self._changed:
                self._n_answering -= 1
                self._free_since = time.monotonic()
                self._changed.notify_all()

    def wait_for_a_pause(self, is_stopped: Event) -> None:
        """Return when nobody works for the composer and a moment has passed since, or when it is too late."""
        with self._changed:
            while not is_stopped.is_set():
                left = self._free_since + _PAUSE_S - time.monotonic()
                if not self._n_answering and left <= 0:
                    return
                self._changed.wait(max(left, 0.001) if not self._n_answering else 0.1)


@dataclass(eq=False)
class _Task:
    ids: NDArray[np.int32]
    lines: Sequence[int] | NDArray[np.int64]
    stop: Event
    done: Event
    n_read: int = 0
    error: Exception | None = None


class ReadAhead:
    """Reads into a cache of states, one text at a time; a new one takes the place of the old.

    Args:
        cache: keeps what was read.
        turns: when it may read.

    """

    def __init__(self, cache: StateCache[Any], turns: Turns) -> None:
        """Begin with nothing to read."""
        self.n_tokens_read = 0
        """Tokens of all texts so far."""
        self._cache, self._turns = cache, turns
        self._task: _Task | None = None

    def read(self, ids: NDArray[np.int32], lines: Sequence[int] | NDArray[np.int64]) -> None:
        """Begin to read; arguments as for `StateCache.reading`."""
        self.stop()
        self._task = task = _Task(ids, lines, Event(), Event(), self._cache.n_known(ids, lines))
        Thread(target=self._run, args=(task,), name="pianomuse-reading", daemon=True).start()

    def stop(self) -> None:
        """Read no further than the bar that is being read."""
        if self._task is not None:
            self._task.stop.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until all is read; tell whether it is.

        Raises:
            Exception: what went wrong while reading.

        """
        task = self._task
        if task is None:
            return True
        is_done = task.done.wait(timeout_s)
        if task.error is not None:
            raise task.error
        return is_done

    @property
    def progress(self) -> float:
        """How much of the text is read, 0 … 1."""
        task = self._task
        return 1.0 if task is None or task.done.is_set() else task.n_read / max(len(task.ids), 1)

    def _run(self, task: _Task) -> None:
        try:
            reading = self._cache.reading(task.ids, task.lines)
            while True:
                self._turns.wait_for_a_pause(task.stop)
                if task.stop.is_set():
                    break
                piece = next(reading, None)
                if piece is None:
                    break
                task.n_read += piece[0]
                self.n_tokens_read += piece[0]
        except Exception as error:  # belongs to whoever waits; without one, ideas say the same when they read
            LOG.warning("reading ahead stopped: %s", error)
            task.error = error
        finally:
            task.done.set()


def first_difference(before: Side, now: Side) -> int | None:
    """Return the first bar, from 1, in which two versions of a piece differ; None if they are the same."""
    if before.head != now.head:
        return 1
    shortest = min(len(before.bars), len(now.bars))
    differs = np.flatnonzero(before.bars[:shortest] != now.bars[:shortest])
    if not len(differs) and len(before.bars) == len(now.bars):
        return None
    return max(int(np.searchsorted(now.lines, differs[0] if len(differs) else shortest, side="right")), 1)


def bars_within(before: Side, n_tokens: int) -> int:
    """Return how many bars before the caret have at most so many tokens; a few at least."""
    lines = before.lines
    fits = len(lines) - 1 - int(np.searchsorted(lines, lines[-1] - n_tokens))
    return max(fits, _FEWEST_BARS)
