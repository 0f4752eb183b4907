"""Smoothness at the join: is the bar line where new music begins as smooth as the piece's own bar lines?

Six jumps are taken across a bar line, from the bar before it to the bar after it:

    top      semitones from the last note of the top line to the first one after
    bass     the same for the lowest notes
    rest     quarters from the last onset before to the first onset after
    density  |log2| of the ratio of onsets, one added to both
    harmony  1 − cosine of the two pitch-class histograms, weighted by length
    loudness difference of the mean velocities

Each is ranked among the same jump at the piece's other bar lines: 0, smaller than all of them; 1, larger than all; ties
count half. `join_roughness` is the mean of the six ranks. The true continuation is 0.5 on the average by construction,
above it is rougher than this piece usually is at bar lines. A rank has no unit and needs no weights, and a piece that
leaps at every bar may go on leaping.

There is no standard for this. Infilling papers compare what lies on both sides of the seam over the whole corpus;
taking the piece itself as the measure is ours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pianomuse.measure.passage import Passage
from pianomuse.tokens.vocabulary import GRID

JUMPS = ("top", "bass", "rest", "density", "harmony", "loudness")
MIN_LINES = 4
"""Fewer bar lines with music on both sides than this are too few to rank among."""

Floats = NDArray[np.float64]


def jumps_at(music: Passage, bar: int) -> Floats:
    """Return the six jumps across the line at which a bar (index from 0, at least 1) begins: float64 [6].

    NaN where one of the two bars has no notes.
    """
    before, after = music.bars(bar - 1, bar), music.bars(bar, bar + 1)
    if before.n_notes == 0 or after.n_notes == 0:
        return np.full(len(JUMPS), np.nan)
    last, first = before.onset[-1], after.onset[0]
    ends, begins = before.pitch[before.onset == last], after.pitch[after.onset == first]
    counts = [len(np.unique(m.onset)) for m in (before, after)]
    return np.array(
        [
            abs(int(ends.max()) - int(begins.max())),
            abs(int(ends.min()) - int(begins.min())),
            (int(before.bar_starts[-1]) + int(first) - int(last)) / GRID,
            abs(np.log2((counts[1] + 1) / (counts[0] + 1))),
            1 - _cosine(_harmony(before), _harmony(after)),
            abs(float(before.velocity.mean() - after.velocity.mean())),
        ],
        dtype=np.float64,
    )


def all_jumps(music: Passage) -> Floats:
    """Return the jumps at every inner bar line that has music on both sides: float64 [n, 6]."""
    found = np.array([jumps_at(music, bar) for bar in range(1, music.n_bars)]).reshape(-1, len(JUMPS))
    usable: Floats = found[~np.isnan(found).any(axis=1)]
    return usable


def join_roughness(jumps: Floats, usual: Floats) -> float:
    """Return the mean rank of the jumps at a join among the usual ones, 0 … 1; NaN if that cannot be said.

    Args:
        jumps: float64 [6], what `jumps_at` found at the join.
        usual: float64 [n, 6], what `all_jumps` found in the piece.

    """
    if np.isnan(jumps).any() or len(usual) < MIN_LINES:
        return float("nan")
    rounded, others = np.round(jumps, 9), np.round(usual, 9)
    ranks = (others < rounded).mean(axis=0) + 0.5 * (others == rounded).mean(axis=0)
    return float(ranks.mean())


def _harmony(music: Passage) -> Floats:
    return np.bincount(music.pitch % 12, weights=music.duration, minlength=12).astype(np.float64)


def _cosine(first: Floats, second: Floats) -> float:
    return float(first @ second / np.sqrt((first @ first) * (second @ second)))
