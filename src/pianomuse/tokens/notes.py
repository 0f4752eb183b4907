"""Read the notes straight out of ids, without building a Score: what examples, constraints and measures need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pianomuse.tokens.quantise import bar_length
from pianomuse.tokens.vocabulary import KEYS, N_DENSITIES, N_VOICES, Vocabulary

_DENSITY_EDGES = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
# Krumhansl & Kessler 1982, probe-tone profiles of C major and C minor.
_MAJOR = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
_MINOR = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])


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


def key_scores(pitch: NDArray[np.int64], weight: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how well each of 24 keys fits (Krumhansl–Schmuckler): correlations float64 [24], major then minor."""
    histogram = np.bincount(pitch % 12, weights=weight, minlength=12)
    if histogram.std() == 0:
        return np.zeros(24)
    profiles = [np.roll(profile, tonic) for profile in (_MAJOR, _MINOR) for tonic in range(12)]
    return np.array([np.corrcoef(histogram, profile)[0, 1] for profile in profiles])


def key_token(index: int) -> str:
    """Name the Key token of a key: 0 … 11 are major on C … B, 12 … 23 minor.

    >>> key_token(21)
    'Key_Am'
    """
    return f"Key_{KEYS[index % 12]}{'m' if index >= 12 else ''}"


def key_of_signature(sharps: int, scores: NDArray[np.float64]) -> int:
    """Choose between a key signature's major and its relative minor by the notes.

    Args:
        sharps: number of sharps, negative for flats.
        scores: what `key_scores` found.

    """
    major = sharps * 7 % 12
    minor = 12 + (major + 9) % 12
    return major if scores[major] >= scores[minor] else minor
