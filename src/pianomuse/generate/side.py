"""The bars on one side of the caret, as tokens and as numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from symusic import Note, Pedal, Score, Tempo

from pianomuse.errors import MidiError
from pianomuse.generate.caret import Caret, last_bar_with_music
from pianomuse.generate.tempo import IdeaTempo
from pianomuse.midi.bars import Metre, cut, tempo_at
from pianomuse.midi.read import Piece
from pianomuse.tokens.notes import TokenNotes, read_notes
from pianomuse.tokens.quantise import bar_length, spoken_metre
from pianomuse.tokens.snap import is_played, snap
from pianomuse.tokens.tokenizer import PianoTokenizer
from pianomuse.tokens.vocabulary import GRID, tempo_name

_MICROSECONDS_PER_MINUTE = 60_000_000
_PEDAL_BARS = 8
_NEAR_BARS = 2
_MANY_BARS = 64


@dataclass(frozen=True)
class Side:
    """Some bars before or behind the caret.

    Args:
        head: ids of the metre and tempo in force where the bars begin.
        bars: their ids, int32 [T]; the last may be broken off.
        lines: where each bar begins in `bars`, and the end, int64 [n_bars + 1].
        notes: their notes as the tokens say them.
        bar_units: lengths of the bars in grid units, int64 [n_bars].
        positions: onsets from their bar lines in grid units, not rounded, float64 [n]; played notes at their musical
            position.
        lengths: durations in grid units, not rounded, float64 [n].
        velocities: as in the file, int64 [n].
        bar_of: index of the bar each of these stands in, int64 [n].
        has_pedal: the pedal is used in the eight bars next to the caret.

    """

    head: list[int]
    bars: NDArray[np.int32]
    lines: NDArray[np.int64]
    notes: TokenNotes
    bar_units: NDArray[np.int64]
    positions: NDArray[np.float64]
    lengths: NDArray[np.float64]
    velocities: NDArray[np.int64]
    bar_of: NDArray[np.int64]
    has_pedal: bool

    @property
    def n_bars(self) -> int:
        """Number of bars, a broken-off one counted."""
        return len(self.bar_units)


class SideReader:
    """Read the sides of any caret from one piece.

    The tokens of a bar do not depend on where the caret stands, except in the last two bars before it: there a
    ritardando is passed over, a pedal goes on, and nothing behind the caret is looked at. So the piece is spelled once,
    and a model that has read it up to some bar line never has to read that again.
    """

    def __init__(self, piece: Piece, tokenizer: PianoTokenizer) -> None:
        """Find out once whether the piece was played or written."""
        self.piece = piece
        self.tokenizer = tokenizer
        self.is_played = is_played(piece.score)

    @cached_property
    def whole(self) -> Side:
        """All bars of the piece, up to the first whose metre the tokens cannot say."""
        grid, score = self.piece.grid, self.piece.score
        unknown = [index for index, metre in enumerate(grid.metres) if spoken_metre(*metre) is None]
        if unknown:  # only ideas behind it have to be refused
            score = cut(score, 0, grid.start_of(unknown[0]))
        return self._side(snap(score) if self.is_played else score, range(min(unknown, default=grid.n_bars)))

    def first_bars(self, n_bars: int, max_bars: int, max_tokens: int) -> Side:
        """Return the bars that are read before bar `n_bars`, as `before` does with the same limits."""
        stop = min(n_bars, self.whole.n_bars)
        return self._cut(self.whole, self._first_bar(stop, max_bars, max_tokens), stop)

    def before(self, caret: Caret, tempo: IdeaTempo, max_bars: int, max_tokens: int) -> Side:
        """Read the bars before the caret, the broken-off one as far as it goes.

        Args:
            caret: where reading ends.
            tempo: of the ideas; tempo events of a ritardando are passed over.
            max_bars: so many whole bars before the caret at most. Of many, up to an eighth are left out, so that the
                first bar stays the same while the caret moves.
            max_tokens: so many tokens at most; whole bars far from the caret are left out first.

        """
        first = self._first_bar(caret.bar_index, max_bars, max_tokens)
        near = max(min(caret.bar_index, self.whole.n_bars) - _NEAR_BARS, first)
        side = self._near(caret, tempo, near)
        if near > first:
            side = _joined(self._cut(self.whole, first, near), side)
        since = self.piece.grid.start_of(max(caret.bar_index - _PEDAL_BARS, 0))
        pedals = self.piece.score.tracks[0].pedals
        return replace(side, has_pedal=any(p.time < caret.tick and p.time + p.duration > since for p in pedals))

    def after(self, tick: int, max_bars: int) -> Side:
        """Read the bars from `tick` on, a bar line, as far as there is music in them."""
        grid = self.piece.grid
        first = grid.bar_at(tick)
        stop = min(first + max_bars, max(last_bar_with_music(self.piece), first))
        part = cut(self.piece.score, tick, grid.start_of(stop))
        side = self._side(snap(part) if self.is_played else part, range(first, stop))
        return replace(side, has_pedal=len(part.tracks[0].pedals) > 0)

    def within(self, first: int, n_bars: int) -> Side:
        """Return some bars without their pedal, each whole, whatever stands before and behind them."""
        grid = self.piece.grid
        part = cut(self.piece.score, grid.start_of(first), grid.start_of(first + n_bars))
        part.tracks[0].pedals = []
        return self._side(snap(part) if self.is_played else part, range(first, first + n_bars))

    def head(self, side: Side, bar: int) -> list[int]:
        """Return ids of the metre and tempo in force where a bar of a side begins."""
        if bar == 0 or bar >= side.n_bars:
            return side.head
        at = int(side.lines[bar])
        before = side.bars[:at]
        tempos = before[self._is_tempo[before]]
        return [int(side.bars[at + 1]), int(tempos[-1]) if len(tempos) else side.head[1]]

    def _first_bar(self, stop: int, max_bars: int, max_tokens: int) -> int:
        lines = self.whole.lines
        at = min(stop, self.whole.n_bars)
        first = max(stop - max_bars, int(np.searchsorted(lines, lines[at] - max_tokens)), 0)
        step = max_bars // 8 if max_bars >= _MANY_BARS else 1
        return min(-(-first // step) * step, max(at - 1, 0))

    def _near(self, caret: Caret, tempo: IdeaTempo, first: int) -> Side:
        """Read the last bars before the caret, from bar `first` on, with nothing behind it known."""
        grid, quarter = self.piece.grid, self.piece.grid.ticks_per_quarter
        overlap = max(first - 1, 0)  # so that a tempo change on the first bar line is a change
        start = grid.start_of(overlap)
        part = cut(self.piece.score, start, caret.tick)
        if self.is_played:
            beat = start // quarter * quarter  # beats are counted from tick 0, as in the whole piece
            part = cut(snap(cut(self.piece.score, beat, caret.tick)), start - beat, caret.tick - beat)
        part.tracks[0].pedals = self._pedals_held_on(start, caret.tick)
        if tempo.ritardando_from is not None:
            kept = [t for t in part.tempos if t.time < tempo.ritardando_from - start]
            part.tempos = kept or [Tempo(0, mspq=tempo.mspq, ttype="tick")]
        part = _only_before(part, caret.tick - start)
        side = self._side(part, range(overlap, caret.bar_index + caret.finishes_bar))
        return self._cut(side, first - overlap, side.n_bars)

    def _pedals_held_on(self, start: int, tick: int) -> list[Pedal]:
        """Return the pedals down between two ticks, from `start` on; those still down at `tick` go on for ever."""
        pedals = []
        for pedal in self.piece.score.tracks[0].pedals:
            onset, end = int(pedal.time), int(pedal.time + pedal.duration)
            if onset < tick and end > start:
                is_held = end >= tick
                onset = max(onset - start, 0)
                pedals.append(Pedal(onset, 2**29 if is_held else end - start - onset, ttype="tick"))
        return pedals

    def _side(self, part: Score, bars: range) -> Side:
        vocabulary = self.tokenizer.vocabulary
        metres = [_spoken(self.piece.grid.metre_of(index)) for index in bars]
        units = np.array([bar_length(*metre) for metre in metres], dtype=np.int64)
        if not metres:
            metre = _spoken(self.piece.grid.metre_of(bars.start))
            bpm = _MICROSECONDS_PER_MINUTE / (part.tempos[0].mspq if part.tempos else tempo_at(self.piece.score, 0))
            head = [vocabulary.id(f"TimeSig_{metre[0]}/{metre[1]}"), vocabulary.id(tempo_name(bpm))]
            body, lines = np.zeros(0, dtype=np.int32), np.zeros(1, dtype=np.int64)
        else:
            # The tokenizer releases every pedal at the end: one more bar takes what is held on past these.
            ids = self.tokenizer.encode(part, n_bars=len(metres) + 1)
            head = [int(index) for index in ids[:2]]
            lines = self.tokenizer.find_bar_indices(ids)[: len(metres) + 1] - 2
            body = ids[2 : 2 + int(lines[-1])]
        notes = part.tracks[0].notes.numpy()
        starts = np.concatenate([[0], np.cumsum(units)])
        scale = GRID / part.ticks_per_quarter
        onset = _near_whole(notes["time"] * scale, scale)
        bar_index = np.searchsorted(starts, onset, side="right") - 1
        return Side(
            head=head,
            bars=body,
            lines=lines,
            notes=read_notes(body, vocabulary) if metres else _NO_NOTES,
            bar_units=units,
            positions=onset - starts[bar_index],
            lengths=_near_whole(notes["duration"] * scale, scale),
            velocities=notes["velocity"].astype(np.int64),
            bar_of=bar_index.astype(np.int64),
            has_pedal=False,
        )

    def _cut(self, side: Side, first: int, stop: int) -> Side:
        """Return some bars of a side; metre and tempo in force at their beginning become their head."""
        if first == 0 and stop == side.n_bars:
            return side
        at, end = int(side.lines[first]), int(side.lines[stop])
        notes, units = side.notes, side.bar_units
        own = slice(*np.searchsorted(notes.bar_index, [first, stop]))
        raw = slice(*np.searchsorted(side.bar_of, [first, stop]))
        since = int(units[:first].sum())
        return Side(
            head=self.head(side, first),
            bars=side.bars[at:end],
            lines=side.lines[first : stop + 1] - at,
            notes=TokenNotes(
                notes.onset[own] - since,
                notes.duration[own],
                notes.pitch[own],
                notes.velocity[own],
                notes.bar_index[own] - first,
                int(units[first:stop].sum()),
            ),
            bar_units=units[first:stop],
            positions=side.positions[raw],
            lengths=side.lengths[raw],
            velocities=side.velocities[raw],
            bar_of=side.bar_of[raw] - first,
            has_pedal=side.has_pedal,
        )

    @cached_property
    def _is_tempo(self) -> NDArray[np.bool_]:
        return np.asarray(self.tokenizer.vocabulary.kinds == "Tempo")


def _joined(first: Side, second: Side) -> Side:
    """Return the bars of one side and those of another behind them."""
    since = int(first.bar_units.sum())
    a, b = first.notes, second.notes
    return Side(
        head=first.head,
        bars=np.concatenate([first.bars, second.bars]),
        lines=np.concatenate([first.lines, second.lines[1:] + len(first.bars)]),
        notes=TokenNotes(
            np.concatenate([a.onset, b.onset + since]),
            np.concatenate([a.duration, b.duration]),
            np.concatenate([a.pitch, b.pitch]),
            np.concatenate([a.velocity, b.velocity]),
            np.concatenate([a.bar_index, b.bar_index + first.n_bars]),
            a.total_units + b.total_units,
        ),
        bar_units=np.concatenate([first.bar_units, second.bar_units]),
        positions=np.concatenate([first.positions, second.positions]),
        lengths=np.concatenate([first.lengths, second.lengths]),
        velocities=np.concatenate([first.velocities, second.velocities]),
        bar_of=np.concatenate([first.bar_of, second.bar_of + first.n_bars]),
        has_pedal=second.has_pedal,
    )


_NO_NUMBERS = np.zeros(0, dtype=np.int64)
_NO_NOTES = TokenNotes(_NO_NUMBERS, _NO_NUMBERS, _NO_NUMBERS, _NO_NUMBERS, _NO_NUMBERS, total_units=0)


def _spoken(metre: Metre) -> Metre:
    spoken = spoken_metre(*metre)
    if spoken is None:
        raise MidiError(
            f"the metre {metre[0]}/{metre[1]} is not among those PianoMuse knows "
            "(n/2 to 4, n/4 to 8, n/8 and n/16 to 12); write these bars in one of them",
            "metre_unknown",
            metre=f"{metre[0]}/{metre[1]}",
        )
    return spoken


def spoken_metres(caret: Caret) -> tuple[Metre, ...]:
    """Return the metres of the bars that receive notes, as the tokens spell them; raise MidiError if they cannot."""
    return tuple(_spoken(metre) for metre in caret.metres)


def _only_before(part: Score, ticks: int) -> Score:
    """Leave out notes that the grid would move to `ticks` or later: played a little early, they belong there."""
    scale = GRID / part.ticks_per_quarter
    notes = part.tracks[0].notes.numpy()
    kept = np.floor(notes["time"] * scale + 0.5) < ticks * scale
    part.tracks[0].notes = Note.from_numpy(**{name: column[kept] for name, column in notes.items()}, ttype="tick")
    return part


def _near_whole(units: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """Round grid units that are within one tick of a whole number; many programs end notes one tick early."""
    whole = np.round(units)
    return np.where(np.abs(units - whole) <= scale + 1e-9, whole, units)
