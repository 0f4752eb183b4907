"""A hand that keeps a rhythm: what it struck and holds, and how wide a place on the keys it needs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

NEVER = 999
"""A key above all keys."""
KEYS = np.arange(128)
_LONG_AGO = -(10**9)


@dataclass
class RestingHand:
    """What a hand struck last and the time before, and what it holds."""

    low: int = -1
    high: int = -1
    time: int = _LONG_AGO
    low_before: int = -1
    high_before: int = -1
    time_before: int = _LONG_AGO
    held: dict[int, int] = field(default_factory=dict)  # pitch to end

    def strike(self, pitch: int, time: int, end: int) -> None:
        """Strike a key that is held until an end."""
        if time != self.time:
            self.low_before, self.high_before, self.time_before = self.low, self.high, self.time
            self.low, self.high, self.time = pitch, pitch, time
        self.low, self.high = min(self.low, pitch), max(self.high, pitch)
        self.held = {other: until for other, until in self.held.items() if until > time} | {pitch: end}

    def is_as(self, other: RestingHand, time: int) -> bool:
        """Tell whether another hand stands as this one, as far as it matters from a time on."""
        has_begun = self.time == time
        mine = (self.low_before, self.high_before, self.time_before) if has_begun else ()
        theirs = (other.low_before, other.high_before, other.time_before) if has_begun else ()
        held, others = ({p: end for p, end in hand.held.items() if end > time} for hand in (self, other))
        stand = (self.low, self.high, self.time, *mine)
        return stand == (other.low, other.high, other.time, *theirs) and held == others

    def copy(self) -> RestingHand:
        """Return a hand that goes on from here by itself."""
        return replace(self, held=dict(self.held))


def reaches(keys: NDArray[np.intp], n: int) -> NDArray[np.int64]:
    """Return, for an interval that begins at each key, the n-th of some keys in it: int64 [128]; −1 for n = 0.

    >>> reaches(np.array([60, 64, 67]), 2)[[0, 60, 61, 65]].tolist()
    [64, 64, 67, 999]
    """
    if n == 0:
        return np.full(128, -1)
    padded = np.append(keys, [NEVER] * n)
    return padded[np.searchsorted(keys, KEYS) + n - 1].astype(np.int64)
