"""The rhythmic grid a context lies on, and the positions and durations it leaves to an idea.

If all notes of a context lie on sixteenths, on eighth-note triplets, or on both, its ideas use only those. All times
are in grid units, 24 per quarter note: a sixteenth is 6, an eighth-note triplet 8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pianomuse.tokens.vocabulary import MAX_DURATION, MAX_POSITIONS

SIXTEENTH = 6
TRIPLET = 8
_TOLERANCE = 0.1  # what rounding to ticks leaves of a triplet in a file whose quarter no 3 divides


@dataclass(frozen=True)
class Grid:
    """Steps that onsets and durations are multiples of.

    Args:
        onset_steps: an onset, counted from its bar line, is a multiple of one of these; empty: it lies anywhere.
        duration_steps: a duration is a multiple of one of these, and of one that its onset is a multiple of too
            where there is such a one; empty: any duration. The end of the new bars is always a possible end.

    >>> Grid((6,), (6,)).positions(96).tolist() == list(range(0, 96, 6))
    True
    """

    onset_steps: tuple[int, ...] = ()
    duration_steps: tuple[int, ...] = ()

    def positions(self, bar_units: int) -> NDArray[np.intp]:
        """Return the positions that may be used in a bar of this length: ascending."""
        return np.flatnonzero(_multiples(self.onset_steps, MAX_POSITIONS)[:bar_units])

    def durations(self, position: int) -> NDArray[np.bool_]:
        """Return which durations a note at this position may have: bool [MAX_DURATION + 1], index 0 false."""
        own = tuple(step for step in self.duration_steps if position % step == 0)
        allowed = _multiples(own or self.duration_steps, MAX_DURATION + 1)
        allowed[0] = False
        return allowed


def grid_of(positions: ArrayLike, durations: ArrayLike) -> Grid:
    """Find the grid that all notes lie on, if there is one.

    Onsets and durations are judged each for itself: staccato played on a strict grid keeps its onsets there.

    Args:
        positions: onsets of the context's notes from their bar lines, in grid units, not rounded.
        durations: their durations in grid units, not rounded.

    >>> grid_of([0, 12, 48], [12, 12, 48])
    Grid(onset_steps=(6,), duration_steps=(6,))
    >>> grid_of([0, 8, 18], [8, 16, 6])
    Grid(onset_steps=(6, 8), duration_steps=(6, 8))
    >>> grid_of([0, 3.2], [3, 4])
    Grid(onset_steps=(), duration_steps=())
    """
    return Grid(_steps(np.asarray(positions, dtype=np.float64)), _steps(np.asarray(durations, dtype=np.float64)))


def _steps(values: NDArray[np.float64]) -> tuple[int, ...]:
    off = {step: np.abs(values - np.round(values / step) * step) > _TOLERANCE for step in (SIXTEENTH, TRIPLET)}
    for steps in ((SIXTEENTH,), (TRIPLET,), (SIXTEENTH, TRIPLET)):
        if len(values) and not np.all([off[step] for step in steps], axis=0).any():
            return steps
    return ()


def _multiples(steps: tuple[int, ...], n: int) -> NDArray[np.bool_]:
    allowed = np.full(n, not steps)
    for step in steps:
        allowed[::step] = True
    return allowed
