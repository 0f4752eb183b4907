"""Strikes: notes that are struck together, and what each of them says about where in the bar it stands.

What is looked at does not depend on the tempo: gaps and lengths are compared with those around, pitches with those
around. Loudness is left out: scores, from which the tracker learnt, say nothing about it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pianomuse.errors import MidiError

TOGETHER_S = 0.035  # from one note to the next
_MOST_TOGETHER_S = 0.10  # from the first note to the last
_AROUND = 8  # strikes on either side
_REACH = 10  # strikes on either side that the network sees
N_SIGNS = 13
N_FEATURES = N_SIGNS * (2 * _REACH + 1)

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Strikes:
    """Notes that are struck together, by time; `strike_of`: int64 [n_notes], the strike of each note as given.

    `seconds`, `lowest`, `highest`, `n_notes`, `longest_s`: [n]; `chroma`: float64 [n, 12], seconds by pitch class.
    """

    seconds: Floats
    lowest: Floats
    highest: Floats
    n_notes: Floats
    longest_s: Floats
    chroma: Floats
    strike_of: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of strikes."""
        return len(self.seconds)

    @property
    def gaps(self) -> Floats:
        """Seconds since the strike before; 0 for the first."""
        return np.diff(self.seconds, prepend=self.seconds[:1])


def find_strikes(onset_s: ArrayLike, end_s: ArrayLike, pitch: ArrayLike) -> Strikes:
    """Put notes that are struck together into strikes.

    Args:
        onset_s: when they are struck, seconds, [n], any order.
        end_s: when they end.
        pitch: MIDI pitches.

    >>> find_strikes([0.0, 0.02, 0.5], [0.4, 0.4, 0.9], [48, 60, 62]).seconds.tolist()
    [0.01, 0.5]
    """
    onset, end = np.asarray(onset_s, dtype=np.float64), np.asarray(end_s, dtype=np.float64)
    pitches = np.asarray(pitch, dtype=np.int64)
    if len(onset) == 0:
        raise MidiError("no notes: give a recording with at least one", "recording_no_notes")
    order = np.argsort(onset, kind="stable")
    times = onset[order]
    number = np.empty(len(times), dtype=np.int64)
    current, first = 0, times[0]
    for index, at in enumerate(times):
        if index and (at - times[index - 1] > TOGETHER_S or at - first > _MOST_TOGETHER_S):
            current, first = current + 1, at
        number[index] = current
    strike_of = np.empty_like(number)
    strike_of[order] = number
    n = current + 1
    count = np.bincount(strike_of, minlength=n).astype(np.float64)
    lowest, highest, longest = np.full(n, 127.0), np.zeros(n), np.zeros(n)
    np.minimum.at(lowest, strike_of, pitches)
    np.maximum.at(highest, strike_of, pitches)
    np.maximum.at(longest, strike_of, end - onset)
    chroma = np.zeros((n, 12))
    np.add.at(chroma, (strike_of, pitches % 12), np.clip(end - onset, 0.05, 2.0))
    return Strikes(np.bincount(strike_of, onset) / count, lowest, highest, count, longest, chroma, strike_of)


def features(strikes: Strikes) -> NDArray[np.float32]:
    """Return the signs of every strike and of its neighbours: float32 [n, N_FEATURES]."""
    signs = _signs(strikes)
    n = len(signs)
    edge = np.zeros((_REACH, N_SIGNS), dtype=np.float32)
    padded = np.concatenate([edge, signs.astype(np.float32), edge])
    return np.concatenate([padded[k : k + n] for k in range(2 * _REACH + 1)], axis=1)


def _signs(strikes: Strikes) -> Floats:
    """Return what a strike says by itself and against those around it: float64 [n, N_SIGNS]."""
    gap = np.clip(strikes.gaps, 0.02, 4.0)
    gap[0] = 1.0
    following = np.append(gap[1:], 1.0)
    usual = np.exp(_around(np.log(gap)))
    low, high = strikes.lowest, strikes.highest
    usual_low = _around(low)
    lowest_near = np.minimum.reduce([_shifted(low, k) for k in range(-4, 5)])
    lowest_near_wide = np.minimum.reduce([_shifted(low, k) for k in range(-12, 13)])
    is_bass = low <= usual_low - 3
    bass = _last_where(low, is_bass)
    return np.stack(
        [
            np.clip(np.log(gap / usual), -2, 2),
            np.clip(np.log(following / usual), -2, 2),
            np.clip(np.log(np.clip(strikes.longest_s, 0.03, 6.0) / usual), -2, 3),
            np.log(strikes.n_notes),
            (low - usual_low) / 12,
            (high - _around(high)) / 12,
            low <= lowest_near,
            low <= lowest_near_wide + 2,
            is_bass & ((low - bass) % 12 != 0),
            _novelty(strikes, 0.5),
            _novelty(strikes, 1.2),
            _novelty(strikes, 2.5),
            np.clip(np.log(usual / 0.25), -2, 2),
        ],
        axis=1,
    )


def _around(values: Floats) -> Floats:
    """Return the mean of each value and its neighbours."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    first, stop = np.maximum(index - _AROUND, 0), np.minimum(index + _AROUND + 1, len(values))
    means: Floats = (sums[stop] - sums[first]) / (stop - first)
    return means


def _shifted(values: Floats, by: int) -> Floats:
    index = np.clip(np.arange(len(values)) + by, 0, len(values) - 1)
    moved: Floats = values[index]
    return moved


def _last_where(values: Floats, is_one: NDArray[np.bool_]) -> Floats:
    """Return the value of the last strike before each for which something holds; its own where there is none."""
    place = np.maximum.accumulate(np.where(is_one, np.arange(len(values)), -1))
    before = np.concatenate([[-1], place[:-1]])
    found: Floats = np.where(before >= 0, values[np.maximum(before, 0)], values)
    return found


def _novelty(strikes: Strikes, window_s: float) -> Floats:
    """Return how much the pitch classes struck from here on differ from those before: 1 − cosine."""
    times = strikes.seconds
    sums = np.concatenate([np.zeros((1, 12)), np.cumsum(strikes.chroma, axis=0)])
    here = np.arange(len(times))
    begin = np.searchsorted(times, times - window_s - 0.02)
    stop = np.searchsorted(times, times + window_s - 0.02)
    before, after = sums[here] - sums[begin], sums[np.maximum(stop, here + 1)] - sums[here]
    norm = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    novelty: Floats = np.where(norm > 0, 1 - (before * after).sum(axis=1) / np.maximum(norm, 1e-9), 0.5)
    return novelty
