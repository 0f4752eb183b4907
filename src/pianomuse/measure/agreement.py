"""Agreement: how many notes of a completion are the composer's own.

One-to-one note F1 on the grid of sixteenths. A note agrees with one of the truth if it has the same pitch and starts on
the same sixteenth (or within a tolerance); every note may be used once. Lengths and velocities do not count. F1 is the
harmonic mean of the shares matched on both sides.

Relation to others. `mir_eval.transcription` (Raffel et al. 2014) matches notes one to one the same way, within 50 ms in
sound; infilling papers report it per token position, which punishes a late start twice. With equal pitches and a time
window, taking notes in order of time and giving each the earliest one still free is a largest possible matching (notes
and windows are intervals of one length on a line), so no assignment solver is needed; a test compares it with trying
every assignment.

The truth is only one of many good ways to go on. A low F1 is no fault in a composition; that it is above what copying
the last bars reaches says the model heard more than repetition.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from pianomuse.measure.passage import SIXTEENTH, Ints, Passage


def note_f1(truth: Passage, other: Passage, *, tolerance: int = 0) -> float:
    """Return the one-to-one note F1 of two passages, 0 … 1; two empty passages agree.

    Args:
        truth: one passage.
        other: the other one; the measure is symmetric.
        tolerance: how many sixteenths apart two onsets may be.

    """
    n_notes = truth.n_notes + other.n_notes
    return 2 * n_matched(truth, other, tolerance=tolerance) / n_notes if n_notes else 1.0


def n_matched(truth: Passage, other: Passage, *, tolerance: int = 0) -> int:
    """Return the size of a largest one-to-one matching of equal pitches whose onsets are within the tolerance."""
    mine, theirs = _onsets_by_pitch(truth), _onsets_by_pitch(other)
    return sum(_match(mine[pitch], theirs[pitch], tolerance) for pitch in mine.keys() & theirs.keys())


def oracle_and_mean_f1(truth: Passage, candidates: Sequence[Passage]) -> tuple[float, float]:
    """Return the F1 of the best of K candidates and their mean: what cycling through ideas is worth.

    Raises:
        ValueError: no candidates.

    """
    if not candidates:
        raise ValueError("oracle_and_mean_f1 needs at least one candidate")
    found = [note_f1(truth, candidate) for candidate in candidates]
    return max(found), float(np.mean(found))


def in_sixteenths(onset: Ints) -> Ints:
    """Return onsets on the nearest sixteenth, halves upwards: int64 [n]."""
    return (onset + SIXTEENTH // 2) // SIXTEENTH


def _onsets_by_pitch(notes: Passage) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for onset, pitch in zip(in_sixteenths(notes.onset).tolist(), notes.pitch.tolist(), strict=True):
        found[pitch].append(onset)
    return found


def _match(first: list[int], second: list[int], tolerance: int) -> int:
    first, second = sorted(first), sorted(second)
    matched = place = 0
    for onset in first:
        while place < len(second) and second[place] < onset - tolerance:
            place += 1
        if place < len(second) and second[place] <= onset + tolerance:
            matched += 1
            place += 1
    return matched
