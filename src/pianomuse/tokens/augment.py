"""Make more music from the same ids: transposition, tempo, velocity. Pure functions; chance comes from outside."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pianomuse.tokens.vocabulary import KEYS, N_TEMPOS, N_VELOCITIES, PITCH_RANGE, Vocabulary


@dataclass(frozen=True)
class Shift:
    """How one example is changed.

    Args:
        semitones: transposition.
        tempo_bins: steps on the logarithmic tempo scale (6 % each).
        velocity_bins: steps of about 4 in MIDI velocity.

    """

    semitones: int = 0
    tempo_bins: int = 0
    velocity_bins: int = 0


class Augmenter:
    """Apply shifts to arrays of ids."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._pitch = vocabulary.id(f"Pitch_{PITCH_RANGE[0]}")
        self._n_pitches = PITCH_RANGE[1] - PITCH_RANGE[0] + 1
        self._tempo = int(vocabulary.ids_of("Tempo")[0])
        self._velocity = int(vocabulary.ids_of("Velocity")[0])

    @cached_property
    def _keys(self) -> list[list[int]]:
        names = [list(KEYS), [f"{key}m" for key in KEYS]]
        return [[self._vocabulary.id(f"Key_{name}") for name in mode] for mode in names]

    def semitone_range(self, ids: NDArray[np.int32], limit: int = 6) -> tuple[int, int]:
        """Return the lowest and highest transposition that keeps every note of the ids on the piano, within ±limit."""
        pitches = ids[(ids >= self._pitch) & (ids < self._pitch + self._n_pitches)] - self._pitch
        if len(pitches) == 0:
            return -limit, limit
        return max(-limit, -int(pitches.min())), min(limit, self._n_pitches - 1 - int(pitches.max()))

    def apply(self, ids: NDArray[np.int32], shift: Shift) -> NDArray[np.int32]:
        """Return shifted ids: int32, same shape; tempo and velocity stop at the ends of their scales.

        Raises:
            ValueError: the transposition would leave the piano.

        """
        table = np.arange(len(self._vocabulary), dtype=np.int32)
        low, high = self.semitone_range(ids, limit=self._n_pitches)
        if not low <= shift.semitones <= high:
            raise ValueError(f"transposing by {shift.semitones} semitones leaves the piano; {low} … {high} fit")
        pitch = table[self._pitch : self._pitch + self._n_pitches]
        pitch += np.int32(shift.semitones)
        for first, count, step in (
            (self._tempo, N_TEMPOS, shift.tempo_bins),
            (self._velocity, N_VELOCITIES, shift.velocity_bins),
        ):
            scale = np.clip(np.arange(count) + step, 0, count - 1)
            table[first : first + count] = first + scale
        for mode in self._keys:
            for place, key in enumerate(mode):
                table[key] = mode[(place + shift.semitones) % 12]
        return table[ids]


def draw_shift(
    low: int, high: int, rng: np.random.Generator, *, max_tempo_bins: int = 2, max_velocity_bins: int = 2
) -> Shift:
    """Draw a shift: semitones uniform in low … high, tempo and velocity uniform within their limits."""
    return Shift(
        int(rng.integers(low, high + 1)),
        int(rng.integers(-max_tempo_bins, max_tempo_bins + 1)),
        int(rng.integers(-max_velocity_bins, max_velocity_bins + 1)),
    )
