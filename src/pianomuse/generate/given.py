"""The composer's notes that stay in the new bars: the other hand is written under or over them.

Hands do not cross: a new note of the left hand is below, one of the right hand above every given note that sounds
while it does. So both hands together are playable if each is (see `playable`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

_N_KEYS = 128


@dataclass(frozen=True)
class Given:
    """Notes of one hand, and who is to write the other.

    Args:
        hand: ``left`` or ``right``: the hand that is written.
        notes: the given notes: onset and end in grid units from the first bar line, and pitch.
        stays: the same notes as the file has them: onset in ticks and pitch.

    """

    hand: str
    notes: tuple[tuple[int, int, int], ...]
    stays: frozenset[tuple[int, int]]

    @cached_property
    def edges(self) -> NDArray[np.int64]:
        """The given note next to the new hand at every grid unit, int64 [n]; beyond all keys where none sounds."""
        is_left = self.hand == "left"
        edges = np.full(max((end for _, end, _ in self.notes), default=0) + 1, _N_KEYS if is_left else -1)
        for onset, end, pitch in self.notes:
            span = edges[onset:end]
            edges[onset:end] = np.minimum(span, pitch) if is_left else np.maximum(span, pitch)
        return edges

    def allowed(self, time: int, duration: int) -> NDArray[np.bool_]:
        """Return which pitches the new hand may strike at a time and hold so long: bool [128]."""
        span = self.edges[time : time + duration]
        keys = np.arange(_N_KEYS)
        if len(span) == 0:
            return np.ones(_N_KEYS, dtype=bool)
        beside: NDArray[np.bool_] = keys < span.min() if self.hand == "left" else keys > span.max()
        return beside

    def longest(self, time: int, pitch: int) -> int | None:
        """Return how long a pitch may be held from a time on; None for as long as it likes."""
        later = self.edges[time:]
        crossed = np.flatnonzero(later <= pitch if self.hand == "left" else later >= pitch)
        return int(crossed[0]) if len(crossed) else None
