"""Find beats, downbeats and metre of a free performance: the likeliest way through the bars of each metre, compared.

For each metre a hidden Markov model of places in the bar and tempos (the idea: Raphael 2002, Temperley 2009, Nakamura
et al. 2017) explains all strikes: how they follow one another in scores, how unevenly they are played, how tempo
drifts, and what marks a strike as a downbeat (a small network sees harmony change, bass, length and density around it).
The metre that explains the recording best is taken; where a strike stands in its bar tells where the beats are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pianomuse.kernels.metre_path import best_path
from pianomuse.midi.bars import Metre
from pianomuse.performance.metres import (
    METRES,
    PLACES,
    Knowledge,
    bar_places,
    beat_places,
    classes_of,
    knowledge,
)
from pianomuse.performance.strikes import Strikes, features

Floats = NDArray[np.float64]

_QUARTER_S = np.geomspace(0.20, 2.6, 54)  # tempos: seconds a quarter, 5 % apart
_FARTHEST_STEP = 4
_USUAL_BEAT_S = 0.65
_BEAT_SPREAD = 0.35  # of the logarithm of a beat, at least
_NOISE_S, _NOISE_SHARE = 0.022, 0.04
_DRIFT = 0.055  # how far the tempo wanders in a second, as a logarithm
_STRETCH_COST = 14.0
_MARKS_WEIGHT = 0.8
_AROUND_TOLD = math.log(1.4)  # a told tempo may wander as far as that
_TOLD_WEIGHT = 1000.0
_METRE_BIAS: dict[Metre, float] = {
    (4, 4): 0.36, (3, 4): 0.35, (2, 4): -0.04, (6, 8): 0.33, (3, 8): -0.30, (12, 8): -0.36, (9, 8): -0.34,
}  # fmt: skip
_TEMPO_WEIGHT = 2.0
_TEMPO_WEIGHT_BY_STRIKE = 0.03


@dataclass(frozen=True, eq=False)
class Beats:
    """Where the music stands in its bars.

    Args:
        metre: found, or as told.
        places: of every strike, in twelfths of a quarter from the first bar line, int64 [n].
        seconds: of every strike, float64 [n].
        score: how well it explains the recording, natural logarithm.

    """

    metre: Metre
    places: NDArray[np.int64]
    seconds: Floats
    score: float

    def at(self, places: NDArray[np.int64] | Floats) -> Floats:
        """Return when some places are played, in seconds; past either end the tempo there goes on."""
        own, index = np.unique(self.places, return_inverse=True)
        when = np.bincount(index, self.seconds) / np.bincount(index)
        return _through(np.asarray(places, dtype=np.float64), own.astype(np.float64), when, bar_places(self.metre))

    @property
    def beat_places(self) -> NDArray[np.int64]:
        """Places of all beats from the first strike to the last: int64 [n]."""
        step = beat_places(self.metre)
        first = -(-int(self.places[0]) // step) * step
        return np.arange(first, int(self.places[-1]) + 1, step)

    @property
    def beats(self) -> Floats:
        """When the beats are, seconds."""
        return self.at(self.beat_places)

    @property
    def downbeats(self) -> Floats:
        """When bars begin, seconds."""
        places = self.beat_places
        return self.at(places[places % bar_places(self.metre) == 0])


def find_beats(
    strikes: Strikes,
    *,
    metres: tuple[Metre, ...] = METRES,
    tempo_bpm: float | None = None,
    first_downbeat_s: float | None = None,
) -> Beats:
    """Find the beats of a performance.

    Args:
        strikes: from `find_strikes`.
        metres: to choose from.
        tempo_bpm: quarter notes per minute, roughly; None: as the music says.
        first_downbeat_s: second at which a bar begins; the nearest strike is taken.

    """
    known = knowledge()
    marks = known.marks(features(strikes))
    told = _Told(tempo_bpm, first_downbeat_s)
    found = [_in_metre(strikes, marks, metre, known, told) for metre in metres]
    return max(found, key=lambda beats: _likeliness(beats, marks, known))


@dataclass(frozen=True)
class _Told:
    """What a composer has said about the beats."""

    tempo_bpm: float | None = None
    first_downbeat_s: float | None = None


def _in_metre(
    strikes: Strikes, marks: NDArray[np.float32], metre: Metre, known: Knowledge, told: _Told = _Told()
) -> Beats:
    """Return the likeliest way through the bars of one metre."""
    quarter_s = _QUARTER_S
    if told.tempo_bpm is not None:
        quarter_s = quarter_s[np.abs(np.log(quarter_s * told.tempo_bpm / 60)) <= _AROUND_TOLD]
    place_s = quarter_s / PLACES
    beat_s = place_s * beat_places(metre)
    middle, spread = known.beat[metre]
    weight = _TEMPO_WEIGHT + _TEMPO_WEIGHT_BY_STRIKE * len(strikes)
    prior = -0.5 * ((np.log(beat_s) - middle) / max(spread, _BEAT_SPREAD)) ** 2 * weight
    if told.tempo_bpm is not None:
        prior = -0.5 * (np.log(quarter_s * told.tempo_bpm / 60) / 0.1) ** 2
    emit = (marks[:, classes_of(metre)] * _MARKS_WEIGHT).astype(np.float32)
    if told.first_downbeat_s is not None:
        emit[np.abs(strikes.seconds - told.first_downbeat_s).argmin(), 1:] -= _TOLD_WEIGHT
    moved, _, first, score = best_path(
        strikes.gaps,
        emit,
        known.moves[metre],
        known.start[metre],
        place_s,
        prior.astype(np.float32),
        _step_costs(strikes.gaps),
        _NOISE_S,
        _NOISE_SHARE,
        _STRETCH_COST,
    )
    return Beats(metre, first + np.cumsum(moved, dtype=np.int64), strikes.seconds, float(score) + known.prior[metre])


def _likeliness(beats: Beats, marks: NDArray[np.float32], known: Knowledge) -> float:
    """Return how likely a metre is against others: weights of a logistic regression over 344 training performances.

    Paths of different metres explain a recording about equally well; what tells them apart is how clearly downbeats,
    middles and beats are marked as such, how many strikes are downbeats, and whether such a metre is usual in that
    tempo. It was fitted half to the true metre, half to the beats and downbeats that each path finds.
    """
    place, own = beats.places % bar_places(beats.metre), classes_of(beats.metre)
    kind = own[place]
    clear = [float(marks[kind == k, k].mean()) if (kind == k).any() else 0.0 for k in range(3)]
    middle, spread = known.beat[beats.metre]
    beat_s = (beats.seconds[-1] - beats.seconds[0]) / max(int(beats.places[-1] - beats.places[0]), 1)
    usual = -0.5 * ((math.log(max(beat_s * beat_places(beats.metre), 1e-3)) - middle) / max(spread, 0.3)) ** 2
    return (
        _METRE_BIAS[beats.metre]
        + 1.53 * beats.score / len(beats.places)
        + 0.06 * usual
        + 1.37 * clear[0]
        + 0.88 * clear[1]
        + 0.71 * clear[2]
        + 10.8 * float((kind == 0).mean())
    )


def _step_costs(gaps: Floats) -> NDArray[np.float32]:
    """Return the log-probability of tempo steps over each gap: small ones are likelier, wide ones over long gaps."""
    step = math.log(_QUARTER_S[1] / _QUARTER_S[0])
    steps = np.arange(-_FARTHEST_STEP, _FARTHEST_STEP + 1) * step
    width = _DRIFT * np.sqrt(np.clip(gaps, 0.05, 4.0))[:, None] / math.sqrt(2)
    weights = -np.abs(steps)[None, :] / width
    logs = weights - np.log(np.exp(weights).sum(axis=1, keepdims=True))
    return np.ascontiguousarray(logs[:, _FARTHEST_STEP:]).astype(np.float32)


def _through(at: Floats, own: Floats, when: Floats, bar: int) -> Floats:
    """Interpolate; past either end go on in the mean tempo of the nearest bar."""
    inside = np.interp(at, own, when)
    if len(own) < 2:
        alone: Floats = when[0] + (at - own[0]) * _USUAL_BEAT_S / PLACES
        return alone
    near = min(int(np.searchsorted(own, own[0] + bar)), len(own) - 1)
    far = max(int(np.searchsorted(own, own[-1] - bar)), 0)
    first_s = (when[near] - when[0]) / (own[near] - own[0])
    far = min(far, len(own) - 2)
    last_s = (when[-1] - when[far]) / (own[-1] - own[far])
    before, after = when[0] + (at - own[0]) * first_s, when[-1] + (at - own[-1]) * last_s
    return np.where(at < own[0], before, np.where(at > own[-1], after, inside))
