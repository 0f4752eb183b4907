"""Which of the 24 keys notes are in: 0 … 11 are major on C … B, 12 … 23 minor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Krumhansl & Kessler 1982, probe-tone profiles of C major and C minor.
_MAJOR = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
_MINOR = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])


def key_scores(pitch: NDArray[np.int64], weight: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how well each of 24 keys fits (Krumhansl–Schmuckler): correlations float64 [24], major then minor."""
    histogram = np.bincount(pitch % 12, weights=weight, minlength=12)
    if histogram.std() == 0:
        return np.zeros(24)
    profiles = [np.roll(profile, tonic) for profile in (_MAJOR, _MINOR) for tonic in range(12)]
    return np.array([np.corrcoef(histogram, profile)[0, 1] for profile in profiles])


def key_of_signature(sharps: int, scores: NDArray[np.float64]) -> int:
    """Choose between a key signature's major and its relative minor by the notes.

    Args:
        sharps: number of sharps, negative for flats.
        scores: what `key_scores` found.

    """
    major = sharps * 7 % 12
    minor = 12 + (major + 9) % 12
    return major if scores[major] >= scores[minor] else minor
