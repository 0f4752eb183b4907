"""Read notes that were played to a click at their musical position.

A player is a little early or late; the composer meant a sixteenth or a triplet. Written onsets are exact fractions of
a quarter, played ones are not: a Score counts as *played* when too few of its onsets are exact. Then, beat by beat,
the coarsest of four rhythms that explains the onsets is taken and every onset moves to it. Of notes played with a
spread of 3 % of a beat (15 ms at 120 bpm), 90 % come back to where they were written (tests/tokens/test_reading.py).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from symusic import Note, Score

from pianomuse.tokens.vocabulary import GRID

# Distance between neighbouring onsets in grid units, coarse first: eighths, triplet eighths, sixteenths, 32nds.
_RHYTHMS = (12, 8, 6, 3)
_WRITTEN_SHARE = 0.97
# A finer rhythm must bring the mean error of a beat's onsets down by this many grid units (about 3 % of a beat).
_COST_OF_FINER = 0.7
_EXACT = 0.06


def is_played(score: Score) -> bool:
    """Tell whether a Score was played rather than written: fewer than 97 % of its onsets are exact fractions.

    Exact are 24ths, 20ths and 28ths of a quarter (quintuplets, septuplets), within a tick of 480 per quarter.
    """
    onsets = _onsets(score)
    if len(onsets) == 0:
        return False
    off = np.minimum.reduce([_distance(onsets, step) for step in (1, GRID / 20, GRID / 28)])
    return bool((off <= _EXACT).mean() < _WRITTEN_SHARE)


def snap(score: Score) -> Score:
    """Return a copy of a Score whose onsets stand on the rhythm they were meant in; lengths change with them.

    Notes keep their order in the list. Note ends are moved to the nearest 32nd or triplet that leaves the note at least
    a 32nd long; pedals stay.
    """
    out = score.copy()
    scale = GRID / score.ticks_per_quarter
    for track in out.tracks:
        notes = track.notes.numpy()
        if len(notes["time"]) == 0:
            continue
        onset = notes["time"] * scale
        end = (notes["time"] + notes["duration"]) * scale
        new_onset = snap_onsets(onset)
        fine = np.round(end / 3) * 3
        triplet = np.round(end / 8) * 8
        new_end = np.where(np.abs(fine - end) <= np.abs(triplet - end), fine, triplet)
        new_end = np.maximum(new_end, new_onset + 3)
        notes["time"] = np.round(new_onset / scale).astype(np.int32)
        notes["duration"] = np.maximum(np.round(new_end / scale).astype(np.int32) - notes["time"], 1)
        track.notes = Note.from_numpy(**notes)
    return out


def snap_onsets(onsets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move onsets (grid units, float64 [n], any order) to the rhythm of their beat; return float64 [n].

    >>> snap_onsets(np.array([0.4, 11.2, 24.9, 31.5, 40.6])).tolist()
    [0.0, 12.0, 24.0, 32.0, 40.0]
    """
    snapped = np.empty_like(onsets, dtype=np.float64)
    beats = np.floor((onsets + _RHYTHMS[-1] / 2) / GRID)
    for beat in np.unique(beats):
        here = beats == beat
        inside = onsets[here]
        best_cost = np.inf
        for rank, step in enumerate(_RHYTHMS):
            target = np.round(inside / step) * step
            cost = float(np.abs(target - inside).mean()) + _COST_OF_FINER * rank
            if cost < best_cost:
                best_cost, snapped[here] = cost, target
    return snapped


def _onsets(score: Score) -> NDArray[np.float64]:
    parts = [track.notes.numpy()["time"] for track in score.tracks]
    onsets: NDArray[np.float64] = np.concatenate(parts or [np.zeros(0)]) * (GRID / score.ticks_per_quarter)
    return onsets


def _distance(onsets: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    distance: NDArray[np.float64] = np.abs(onsets - np.round(onsets / step) * step)
    return distance
