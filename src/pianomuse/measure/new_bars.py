"""A file as `pianomuse.measure.limits` reads it, with code of its own: notes, bars, and which of them are new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from symusic import Score

QUARTER = 24


class Sound(NamedTuple):
    """A note in the file, in ticks."""

    start: int
    end: int
    pitch: int


@dataclass(frozen=True)
class Bars:
    """The new bars of a file.

    Args:
        first: number of the first, from 1.
        last: number of the last.
        from_tick: nothing new is before it; later than the first bar line where a bar was finished.
        kept: number of the composer's bar that each new bar keeps something of.

    """

    first: int
    last: int
    from_tick: int = 0
    kept: tuple[int, ...] = ()


class Music:
    """The file as it is now: where its bars are, which notes are new, what sounds when."""

    def __init__(self, score: Score, bars: Bars) -> None:
        self.quarter = score.ticks_per_quarter
        sounds = [Sound(n.time, n.time + n.duration, n.pitch) for track in score.tracks for n in track.notes]
        self.sounds = sorted(sounds, key=lambda sound: (sound.start, sound.pitch))
        self.lines, self.metres = _lines(score, max(bars.last, *bars.kept, 1))
        self.bars = bars
        begin, end = max(self.lines[bars.first - 1], bars.from_tick), self.lines[bars.last]
        self.new = [sound for sound in self.sounds if begin <= sound.start < end]
        self.strikes = sorted({sound.start for sound in self.new})

    def leave_out(self, sounds: list[Sound]) -> None:
        """Hear no more of some notes: limits are about one hand."""
        gone = set(sounds)
        self.sounds = [sound for sound in self.sounds if sound not in gone]
        self.new = [sound for sound in self.new if sound not in gone]
        self.strikes = sorted({sound.start for sound in self.new})

    def place(self, tick: int) -> tuple[int, int]:
        """Return the index of the new bar that holds a tick, and the position in it in 24ths of a quarter."""
        bar = max(index for index, line in enumerate(self.lines[:-1]) if line <= tick)
        return bar - self.bars.first + 1, round((tick - self.lines[bar]) * QUARTER / self.quarter)

    def beat(self, bar: int) -> int:
        """Return the length of a beat of a new bar, in 24ths of a quarter."""
        numerator, denominator = self.metres[bar + self.bars.first - 1]
        is_compound = denominator in (8, 16, 32) and numerator in (6, 9, 12, 15)
        return (3 if is_compound else 1) * 4 * QUARTER // denominator

    def n_beats(self, bar: int) -> int:
        """Return how many beats a new bar has."""
        numerator, denominator = self.metres[bar + self.bars.first - 1]
        return numerator * 4 * QUARTER // denominator // self.beat(bar)

    def down(self, tick: int) -> list[Sound]:
        """Return what sounds at a tick."""
        return [sound for sound in self.sounds if sound.start <= tick < sound.end]


def _lines(score: Score, n_bars: int) -> tuple[list[int], list[tuple[int, int]]]:
    """Lay bars from tick 0; metres change on bar lines."""
    changes = {tick: (numerator, denominator) for tick, numerator, denominator in metre_changes(score)}
    metre, lines, metres = (4, 4), [0], []
    for _ in range(n_bars):
        metre = changes.get(lines[-1], metre)
        metres.append(metre)
        lines.append(lines[-1] + metre[0] * 4 * score.ticks_per_quarter // metre[1])
    return lines, metres


def metre_changes(score: Score) -> list[tuple[int, int, int]]:
    """Return (tick, numerator, denominator) of every change of metre."""
    return [(s.time, s.numerator, s.denominator) for s in score.time_signatures]
