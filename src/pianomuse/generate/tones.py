"""Which pitches may be struck where: range, scale and chords as tables by bar and position."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pianomuse.generate.bar_limits import BASS_BELOW, BarLimits
from pianomuse.generate.harmony import Chord

_PITCHES = np.arange(128)
_IS_BASS = _PITCHES < BASS_BELOW
HAND_WINDOW = 17
"""Keys that one hand reaches without leaping, wherever it is: a tenth and both its ends."""


class Tones(NamedTuple):
    """What may be struck at one position.

    Args:
        allowed: bool [128].
        first_bass: bool [128], the same before the chord's first bass note.
        span: tells chords apart, so that the first bass note of each is known; −1 without chords.
        may_pass: semitone steps may leave `allowed`, inside the range.
        in_range: bool [128].

    """

    allowed: NDArray[np.bool_]
    first_bass: NDArray[np.bool_]
    span: int
    may_pass: bool
    in_range: NDArray[np.bool_]


class ToneTable:
    """The tones of every bar and position, looked up once each.

    Args:
        bars: what holds in each bar.
        beside_given: what the given notes leave free, by bar and position; None where none are given.
        has_pins: some moments allow less than their bars.

    """

    def __init__(
        self,
        bars: Sequence[BarLimits],
        beside_given: Callable[[int, int], NDArray[np.bool_]] | None = None,
        *,
        has_pins: bool = False,
    ) -> None:
        """Begin with empty tables."""
        self._bars = bars
        self._beside_given = beside_given
        self._has_pins = has_pins
        self._found: dict[tuple[int, int], Tones] = {}
        self._masks: dict[tuple[object, ...], Tones] = {}

    def at(self, bar: int, position: int) -> Tones:
        """Return what may be struck at a position of a bar."""
        key = bar, position
        if key not in self._found:
            self._found[key] = self._look_up(bar, position)
        return self._found[key]

    def is_even(self, bar: int) -> bool:
        """Tell whether the same pitches may be struck everywhere in a bar."""
        limits = self._bars[bar]
        return not (limits.chords or limits.has_passing_notes or self._has_pins or self._beside_given)

    def _look_up(self, bar: int, position: int) -> Tones:
        limits = self._bars[bar]
        is_on_beat = position % limits.beat_units == 0
        index = max((i for i, span in enumerate(limits.chords) if span.position <= position), default=-1)
        kind = bar, index, is_on_beat
        if kind not in self._masks:
            chord = limits.chords[index].chord if index >= 0 else None
            self._masks[kind] = tones_of(limits, chord, is_on_beat=is_on_beat, span=1000 * bar + index)
        tones = self._masks[kind]
        if self._beside_given is None:
            return tones
        free = self._beside_given(bar, position)
        return tones._replace(
            allowed=tones.allowed & free, first_bass=tones.first_bass & free, in_range=tones.in_range & free
        )


def tones_of(limits: BarLimits, chord: Chord | None, *, is_on_beat: bool, span: int = 0) -> Tones:
    """Return what a bar's limits allow under a chord, on a beat or off it."""
    in_range = (limits.lowest <= _PITCHES) & (limits.highest >= _PITCHES)
    allowed = in_range.copy()
    scale = limits.scale
    if chord is not None and (is_on_beat or limits.is_strict):
        allowed &= _of_classes(chord.tones)
    elif chord is not None and scale is not None:
        allowed &= _of_classes(chord.tones | scale)
    elif scale is not None:
        allowed &= _of_classes(scale)
    may_pass = limits.has_passing_notes and not is_on_beat and not limits.is_strict
    if chord is None:
        return Tones(allowed, allowed, -1, may_pass, in_range)
    first_bass = allowed & (~_IS_BASS | _of_classes(frozenset({chord.bass})))
    return Tones(allowed, first_bass, span, may_pass, in_range)


def beside(pitches: Sequence[int]) -> NDArray[np.bool_]:
    """Return the pitches a semitone beside some others: bool [128]."""
    near = np.zeros(128, dtype=bool)
    for pitch in pitches:
        near[max(pitch - 1, 0)] = near[min(pitch + 1, 127)] = True
    return near


def has_tone_everywhere(allowed: NDArray[np.bool_], in_range: NDArray[np.bool_]) -> bool:
    """Tell whether a hand finds a tone wherever in the range it is, without leaping."""
    keys = allowed[in_range]
    if not keys.any():
        return False
    counts = np.concatenate([[0], np.cumsum(keys)])
    width = min(HAND_WINDOW, len(keys))
    return bool((counts[width:] > counts[:-width]).all())


def _of_classes(classes: frozenset[int]) -> NDArray[np.bool_]:
    return np.isin(_PITCHES % 12, sorted(classes))
