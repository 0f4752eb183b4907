"""The keys and the hands at a moment of an idea: what sounds, and what could be struck."""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import NDArray

from pianomuse.generate.playable import HandSearch

_LONG_AGO = -(10**9)
_STILL_DOWN = 10**9


class Keyboard:
    """Keys struck and let go, with the hands that do it. Times are in grid units and never go back.

    Args:
        n_hands: 2 or 1; 0 for no hands, so that every key can be reached.
        tempo_bpm: quarter notes per minute.

    """

    def __init__(self, n_hands: int, tempo_bpm: float) -> None:
        """Begin with all keys up."""
        self._until = np.full(128, _LONG_AGO)
        self._last_struck = np.full(128, _LONG_AGO)
        self._hands = HandSearch(n_hands, tempo_bpm) if n_hands else None
        self.last_pitch = -1
        self._last_time = _LONG_AGO

    def copy(self) -> Keyboard:
        """Return a keyboard that goes on from here by itself."""
        other = copy.copy(self)
        other._until, other._last_struck = self._until.copy(), self._last_struck.copy()
        other._hands = self._hands.copy() if self._hands is not None else None
        return other

    def strikeable(self, time: int) -> NDArray[np.bool_]:
        """Return which pitches could be struck at a time if nothing is struck before it: bool [128]."""
        free: NDArray[np.bool_] = self._until <= time
        if self._hands is not None:
            free &= time - self._last_struck >= self._hands.repetition_units
            reachable = np.zeros(128, dtype=bool)
            for low, high in self._hands.ranges(time):
                reachable[low : high + 1] = True
            free &= reachable
        return free

    def is_as(self, other: Keyboard, time: int, repetition_units: int) -> bool:
        """Tell whether another keyboard's keys are as these, as far as it matters from a time on; hands apart."""
        are_down = np.array_equal(np.maximum(self._until, time), np.maximum(other._until, time))
        since = time - repetition_units
        return are_down and np.array_equal(np.maximum(self._last_struck, since), np.maximum(other._last_struck, since))

    def n_sounding(self, time: int) -> int:
        """Return how many keys are down at a time."""
        return int(np.count_nonzero(self._until > time))

    def struck_since(self, time: int) -> NDArray[np.bool_]:
        """Return which pitches were struck at a time or later: bool [128]."""
        since: NDArray[np.bool_] = self._last_struck >= time
        return since

    def down_until(self, pitch: int) -> int:
        """Return when a key comes up; long ago if it was never struck."""
        return int(self._until[pitch])

    def free_from(self) -> int:
        """Return from when on all keys are up and the last one can be struck again; all ends must be known."""
        return max(int(self._until.max()), self._last_time + self.repetition_units)

    def strike(self, pitch: int, time: int) -> bool:
        """Strike a key and hold it; return False, and change nothing, if no hand can."""
        if self._hands is not None and not self._hands.strike(pitch, time):
            return False
        self._press(pitch, time)
        return True

    def strike_anyhow(self, pitch: int, time: int) -> None:
        """Strike a key; where no hand can, all hands are free from then on."""
        if not self.strike(pitch, time):
            self.let_go()
            self._press(pitch, time)

    def ring(self, pitch: int, end: int) -> None:
        """Hold a key that was struck long ago until a time."""
        self.strike_anyhow(pitch, _LONG_AGO)
        self.end(pitch, end)

    def end(self, pitch: int, time: int) -> None:
        """Say when a struck key comes up."""
        self._until[pitch] = time
        if self._hands is not None:
            self._hands.release_at(pitch, time)

    def let_go(self) -> None:
        """Take the hands off all keys and forget where they were."""
        if self._hands is not None:
            self._hands.let_go()

    def hands(self) -> list[int]:
        """Return the hand of every note struck so far, 0 left, 1 right; empty where there are no hands."""
        return self._hands.hands() if self._hands is not None else []

    @property
    def repetition_units(self) -> int:
        """Grid units after which a key can be struck again, 1 where there are no hands."""
        return self._hands.repetition_units if self._hands is not None else 1

    def _press(self, pitch: int, time: int) -> None:
        self._until[pitch] = _STILL_DOWN
        self._last_struck[pitch] = time
        self.last_pitch, self._last_time = pitch, time
