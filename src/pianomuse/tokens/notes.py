"""Read the notes straight out of ids, without building a Score: what examples, constraints and measures need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pianomuse.tokens.quantise import bar_length
from pianomuse.tokens.vocabulary import KEYS, N_DENSITIES, N_VOICES, Vocabulary

_DENSITY_EDGES = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)


@dataclass(frozen=True)
class TokenNotes:
    """The notes of a stream of ids, in stream order; all arrays int64 [n], times in grid units from its first bar."""

    onset: NDArray[np.int64]
    duration: NDArray[np.int64]
    pitch: NDArray[np.int64]
    velocity: NDArray[np.int64]
    bar_index: NDArray[np.int64]
    total_units: int
    """Length of all bars of the stream together."""


def read_notes(ids: NDArray[np.int32], vocabulary: Vocabulary) -> TokenNotes:
    """Return the notes of whole bars of music ids: int32 [T], ``… Bar TimeSig Position Pitch …``."""
    values, kinds = vocabulary.values[ids], vocabulary.kinds[ids]
    bars = np.flatnonzero(kinds == "Bar")
    lengths = np.array([_bar_units(vocabulary.token(int(ids[place + 1]))) for place in bars], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    places = np.arange(len(ids))
    last_position = np.maximum.accumulate(np.where(kinds == "Position", places, -1))
    pitch = np.flatnonzero(kinds == "Pitch")
    bar_index = np.searchsorted(bars, pitch, side="right") - 1
    return TokenNotes(
        onset=(starts[bar_index] + values[last_position[pitch]]).astype(np.int64),
        duration=values[pitch + 2].astype(np.int64),
        pitch=values[pitch].astype(np.int64),
        velocity=values[pitch + 1].astype(np.int64),
        bar_index=bar_index.astype(np.int64),
        total_units=int(starts[-1]),
    )


def _bar_units(token: str) -> int:
    numerator, denominator = token.removeprefix("TimeSig_").split("/")
    return bar_length(int(numerator), int(denominator))


def n_voices(notes: TokenNotes) -> int:
    """Return how many notes sound at once at the most, 1 … 8; overlaps of less than a 32nd do not count."""
    if len(notes.onset) == 0:
        return 1
    end = notes.onset + np.maximum(notes.duration - 2, 1)
    sounding = (notes.onset[None, :] <= notes.onset[:, None]) & (end[None, :] > notes.onset[:, None])
    return int(np.clip(sounding.sum(axis=1).max(), 1, N_VOICES))


def density_bin(n_notes: int, quarters: float) -> int:
    """Return the Density bin of a passage: 0 (under half a note per quarter) … 7 (six or more)."""
    return min(int(np.searchsorted(_DENSITY_EDGES, n_notes / max(quarters, 1e-6), side="right")), N_DENSITIES - 1)


def key_token(index: int) -> str:
    """Name the Key token of a key: 0 … 11 are major on C … B, 12 … 23 minor.

    >>> key_token(21)
    'Key_Am'
    """
    return f"Key_{KEYS[index % 12]}{'m' if index >= 12 else ''}"
