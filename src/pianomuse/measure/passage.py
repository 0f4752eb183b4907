"""A passage: what every measure reads. Notes on the token grid, and the bar lines they lie between.

All times are in grid units, 24 to the quarter, from the passage's first bar line. Played music is read at its musical
position first (pianomuse.tokens.snap), so that two passages are compared as notation and not as performances.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from symusic import Score

from pianomuse.tokens.notes import read_notes
from pianomuse.tokens.quantise import bar_length
from pianomuse.tokens.tokenizer import PianoTokenizer
from pianomuse.tokens.vocabulary import GRID, Vocabulary

Ints = NDArray[np.int64]
SIXTEENTH = GRID // 4


@dataclass(frozen=True, eq=False)
class Passage:
    """Whole bars of music.

    Args:
        onset: int64 [n], ascending; notes of one onset by ascending pitch.
        duration: int64 [n], at least 1.
        pitch: int64 [n], MIDI.
        velocity: int64 [n], MIDI.
        bar_starts: int64 [n_bars + 1], the bar lines with the end of the last bar; the first is 0.

    """

    onset: Ints
    duration: Ints
    pitch: Ints
    velocity: Ints
    bar_starts: Ints

    @property
    def n_notes(self) -> int:
        """How many notes start in the passage."""
        return len(self.onset)

    @property
    def n_bars(self) -> int:
        """How many bars it has."""
        return len(self.bar_starts) - 1

    @property
    def quarters(self) -> float:
        """Length in quarter notes."""
        return float(self.bar_starts[-1] - self.bar_starts[0]) / GRID

    @property
    def bar_index(self) -> Ints:
        """The bar in which each note starts: int64 [n]."""
        return (np.searchsorted(self.bar_starts, self.onset, side="right") - 1).astype(np.int64)

    def bars(self, first: int, last: int) -> Passage:
        """Return bars first … last−1 (indices from 0) as a passage of its own; notes keep their whole length."""
        begin, end = int(self.bar_starts[first]), int(self.bar_starts[last])
        chosen = (self.onset >= begin) & (self.onset < end)
        return Passage(
            self.onset[chosen] - begin,
            self.duration[chosen],
            self.pitch[chosen],
            self.velocity[chosen],
            self.bar_starts[first : last + 1] - begin,
        )

    def then(self, other: Passage) -> Passage:
        """Return this passage with another one right after it."""
        length = int(self.bar_starts[-1])
        return Passage(
            np.concatenate([self.onset, other.onset + length]),
            np.concatenate([self.duration, other.duration]),
            np.concatenate([self.pitch, other.pitch]),
            np.concatenate([self.velocity, other.velocity]),
            np.concatenate([self.bar_starts, other.bar_starts[1:] + length]),
        )

    def over(self, other: Passage) -> Passage:
        """Return this passage and another one of the same bars sounding together."""
        columns = zip(*((p.onset, p.duration, p.pitch, p.velocity) for p in (self, other)), strict=True)
        onset, duration, pitch, velocity = (np.concatenate(pair) for pair in columns)
        return passage(onset, duration, pitch, velocity, self.bar_starts)

    def top_line(self) -> tuple[Ints, Ints]:
        """Return the highest note of every onset: onsets and pitches, int64 [m] each."""
        last = np.append(self.onset[1:] != self.onset[:-1], True) if self.n_notes else np.zeros(0, dtype=bool)
        return self.onset[last], self.pitch[last]


def passage(
    onset: NDArray[np.integer],
    duration: NDArray[np.integer],
    pitch: NDArray[np.integer],
    velocity: NDArray[np.integer],
    bar_starts: NDArray[np.integer],
) -> Passage:
    """Make a passage from notes in any order; notes outside the bars are left out."""
    lines = np.asarray(bar_starts, dtype=np.int64)
    columns = [np.asarray(column, dtype=np.int64) for column in (onset, duration, pitch, velocity)]
    order = np.lexsort((columns[2], columns[0]))
    order = order[(columns[0][order] >= lines[0]) & (columns[0][order] < lines[-1])]
    onsets, durations, pitches, velocities = (column[order] for column in columns)
    return Passage(onsets - lines[0], np.maximum(durations, 1), pitches, velocities, lines - lines[0])


def passage_of_ids(ids: NDArray[np.int32], vocabulary: Vocabulary) -> Passage:
    """Read a passage out of music ids, ``… Bar TimeSig Position Pitch …``: int32 [T]."""
    bars = np.flatnonzero(vocabulary.kinds[ids] == "Bar")
    lengths = [_bar_units(vocabulary.token(int(ids[place + 1]))) for place in bars]
    notes = read_notes(ids, vocabulary)
    lines = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return passage(notes.onset, notes.duration, notes.pitch, notes.velocity, lines)


def passage_of_score(score: Score, tokenizer: PianoTokenizer, *, n_bars: int | None = None) -> Passage:
    """Read a passage out of a Score at any ticks per quarter, played notes at their musical position.

    Args:
        score: one piano part.
        tokenizer: knows the grid.
        n_bars: exactly this many bars; default: as many as the notes need.

    """
    return passage_of_ids(tokenizer.encode(tokenizer.musical(score), n_bars=n_bars), tokenizer.vocabulary)


def _bar_units(token: str) -> int:
    numerator, denominator = token.removeprefix("TimeSig_").split("/")
    return bar_length(int(numerator), int(denominator))
