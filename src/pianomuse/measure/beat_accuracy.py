"""How well beats were found: the F-measure of beat tracking.

A beat is right if it lies within 70 ms of a true one; each may be used once. F is the harmonic mean of the shares of
found beats that are right and of true beats that were found. The same for downbeats. This is `mir_eval.beat.f_measure`
(Raffel et al. 2014; Dixon 2007 proposed the window), whose matching is a largest one-to-one matching; here, as
windows are of one length on a line, taking beats in order of time finds one (a test compares the two definitions).
mir_eval's tools leave out the first five seconds of a recording by default (`trim_beats`); nothing is left out here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

WINDOW_S = 0.07


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
