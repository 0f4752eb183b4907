"""Features: what a passage is like in eleven numbers and histograms, to compare sets of passages by.

After Yang & Lerch 2018 ("On the evaluation of generative models in music", MGEval). Theirs are for melodies; ours are
for piano:

    pitch_count            different pitches
    pitch_range            semitones from lowest to highest
    pitch_classes    [12]  share of notes of each pitch class
    pitch_changes   [144]  share of successive pitch classes of the top line
    interval               mean size of the top line's steps, semitones
    onset_interval         mean time between successive onsets, quarters
    durations        [12]  share of notes by length: a 32nd … longer than a whole note
    duration_changes [144] share of successive lengths along the top line's onsets
    density                notes per quarter
    chord_size             notes per onset
    velocity               standard deviation of velocity

MGEval counts notes per file, which mixes density with length; we divide by quarters. Sets are compared in
pianomuse.measure.distributions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pianomuse.measure.passage import Ints, Passage
from pianomuse.tokens.vocabulary import GRID

Floats = NDArray[np.float64]
# Upper edges of the length classes in grid units: 32nd, 16th triplet, 16th, 8th triplet, 8th, quarter triplet, ...
_LENGTH_EDGES = np.array([3, 4, 6, 8, 12, 16, 18, 24, 36, 48, 96])
_N_LENGTHS = 12


def features(music: Passage) -> dict[str, Floats]:
    """Return every feature of a passage: float64 [d] each, NaN where the passage has too few notes."""
    return {name: np.atleast_1d(np.asarray(feature(music), dtype=np.float64)) for name, feature in FEATURES.items()}


def _pitch_count(music: Passage) -> float:
    return float(len(np.unique(music.pitch)))


def _pitch_range(music: Passage) -> float:
    return float(np.ptp(music.pitch)) if music.n_notes else float("nan")


def _pitch_classes(music: Passage) -> Floats:
    return _shares(music.pitch % 12, 12)


def _pitch_changes(music: Passage) -> Floats:
    classes = music.top_line()[1] % 12
    return _shares(classes[:-1] * 12 + classes[1:], 144)


def _interval(music: Passage) -> float:
    line = music.top_line()[1]
    return _mean(np.abs(line[1:] - line[:-1]))


def _onset_interval(music: Passage) -> float:
    onsets = np.unique(music.onset)
    return _mean(onsets[1:] - onsets[:-1]) / GRID


def _durations(music: Passage) -> Floats:
    return _shares(_length_class(music.duration), _N_LENGTHS)


def _duration_changes(music: Passage) -> Floats:
    onsets, _ = music.top_line()
    top = np.searchsorted(music.onset, onsets, side="right") - 1
    lengths = _length_class(music.duration[top])
    return _shares(lengths[:-1] * _N_LENGTHS + lengths[1:], _N_LENGTHS**2)


def _density(music: Passage) -> float:
    return music.n_notes / music.quarters if music.quarters else float("nan")


def _chord_size(music: Passage) -> float:
    return music.n_notes / len(np.unique(music.onset)) if music.n_notes else float("nan")


def _velocity(music: Passage) -> float:
    return float(music.velocity.std()) if music.n_notes else float("nan")


FEATURES: dict[str, Callable[[Passage], float | Floats]] = {
    "pitch_count": _pitch_count,
    "pitch_range": _pitch_range,
    "pitch_classes": _pitch_classes,
    "pitch_changes": _pitch_changes,
    "interval": _interval,
    "onset_interval": _onset_interval,
    "durations": _durations,
    "duration_changes": _duration_changes,
    "density": _density,
    "chord_size": _chord_size,
    "velocity": _velocity,
}


def _length_class(duration: Ints) -> Ints:
    return np.searchsorted(_LENGTH_EDGES, duration, side="left").astype(np.int64)


def _shares(values: Ints, size: int) -> Floats:
    if len(values) == 0:
        return np.full(size, np.nan)
    return np.bincount(values, minlength=size) / len(values)


def _mean(values: Ints) -> float:
    return float(values.mean()) if len(values) else float("nan")
