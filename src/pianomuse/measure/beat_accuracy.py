"""How well beats were found: the F-measure of beat tracking, and how much of it is at the right or a related level.

A beat is right if it lies within 70 ms of a true one; each may be used once. F is the harmonic mean of the shares of
found beats that are right and of true beats that were found. The same for downbeats. This is `mir_eval.beat.f_measure`
(Raffel et al. 2014; Dixon 2007 proposed the window), whose matching is a largest one-to-one matching; here, as
windows are of one length on a line, taking beats in order of time finds one (a test compares the two definitions).
mir_eval's tools leave out the first five seconds of a recording by default (`trim_beats`); nothing is left out here.

F hides which fault it was: beats at half the tempo are all right, and yet half are missing. Davies et al. (2009) count
a beat as right if it lies near a true one, and its distance to the beat before is near the true one, both within
17.5 % of that distance: CMLt is the share of right beats, and AMLt the best such share against the true beats, against
twice or half as many, and against those half-way between ("allowed metrical levels"). As `mir_eval.beat.continuity`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

WINDOW_S = 0.07
CONTINUITY = 0.175  # of the distance of two beats

Floats = NDArray[np.float64]


def beat_f_measure(truth_s: ArrayLike, found_s: ArrayLike, window_s: float = WINDOW_S) -> float:
    """Return the F-measure of found beats, 0 … 1; 0 where there are none to find or none found.

    Args:
        truth_s: true beats, seconds, ascending.
        found_s: found ones, ascending.
        window_s: how far apart two may be to be the same, seconds.

    >>> beat_f_measure([1.0, 2.0, 3.0], [1.05, 2.5, 3.0])
    0.6666666666666666
    """
    truth, found = np.asarray(truth_s, dtype=np.float64), np.asarray(found_s, dtype=np.float64)
    if len(truth) == 0 or len(found) == 0:
        return 0.0
    n_right = i = j = 0
    while i < len(truth) and j < len(found):
        if abs(truth[i] - found[j]) <= window_s:
            n_right, i, j = n_right + 1, i + 1, j + 1
        elif truth[i] < found[j]:
            i += 1
        else:
            j += 1
    return 2 * n_right / (len(truth) + len(found))


def continuity(truth_s: ArrayLike, found_s: ArrayLike) -> tuple[float, float]:
    """Return CMLt and AMLt of found beats, 0 … 1 each; 0 where fewer than two are true or found.

    Args:
        truth_s: true beats, seconds, ascending.
        found_s: found ones, ascending.

    >>> continuity([1.0, 2.0, 3.0, 4.0], [1.0, 3.0])
    (0.0, 1.0)
    """
    truth, found = np.asarray(truth_s, dtype=np.float64), np.asarray(found_s, dtype=np.float64)
    places = np.arange(2 * len(truth) - 1) / 2
    doubled = np.interp(places, np.arange(len(truth)), truth) if len(truth) else truth
    levels = (truth, doubled[1::2], doubled, truth[::2], truth[1::2])
    shares = [_share_right(level, found) for level in levels]
    return shares[0], max(shares)


def _share_right(truth: Floats, found: Floats) -> float:
    """Return the share of beats whose place and distance from the beat before are right; the first looks ahead."""
    if len(truth) < 2 or len(found) < 2:
        return 0.0
    used: set[int] = set()
    for number, at in enumerate(found):
        nearest = int(np.abs(truth - at).argmin())
        ahead = number == 0 or nearest == 0
        true_step = _step(truth, nearest, ahead=ahead)
        is_near = abs(truth[nearest] - at) < CONTINUITY * true_step
        if is_near and abs(1 - _step(found, number, ahead=ahead) / true_step) < CONTINUITY:
            used.add(nearest)
    return len(used) / max(len(truth), len(found))


def _step(beats: Floats, number: int, *, ahead: bool) -> float:
    """Return the distance to the beat before, or to the next one where there is one."""
    first = number if ahead and number + 1 < len(beats) else number - 1
    return float(beats[first + 1] - beats[first])
