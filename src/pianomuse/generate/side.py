"""The bars on one side of the caret, as tokens and as numbers."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Side:
    """Some bars before or behind the caret.

    Args:
        head: ids of the metre and tempo in force where the bars begin.
        bars: their ids, int32 [T]; the last may be broken off.
        notes: their notes as the tokens say them.
        bar_units: lengths of the bars in grid units, int64 [n_bars].
        positions: onsets from their bar lines in grid units, not rounded, float64 [n]; played notes at their musical
            position.
        lengths: durations in grid units, not rounded, float64 [n].
        velocities: as in the file, int64 [n].
        has_pedal: the pedal is used in the eight bars next to the caret.

    """

    head: list[int]
    bars: NDArray[np.int32]
    notes: TokenNotes
    bar_units: NDArray[np.int64]
    positions: NDArray[np.float64]
    lengths: NDArray[np.float64]
    velocities: NDArray[np.int64]
    has_pedal: bool

    @property
    def n_bars(self) -> int:
        """Number of bars, a broken-off one counted."""
        return len(self.bar_units)


class SideReader:
    """Read the sides of a caret from one piece."""

    def __init__(self, piece: Piece, tokenizer: PianoTokenizer) -> None:
        """Find out once whether the piece was played or written."""
        self.piece = piece
        self.tokenizer = tokenizer
        self.is_played = is_played(piece.score)

    def before(self, caret: Caret, tempo: IdeaTempo, max_bars: int, max_tokens: int) -> Side:
        """Read the bars before the caret, the broken-off one as far as it goes.

        Args:
            caret: where reading ends.
            tempo: of the ideas; tempo events of a ritardando are passed over.
            max_bars: so many whole bars before the caret at most.
            max_tokens: so many tokens at most; whole bars far from the caret are left out first.

        """
        grid = self.piece.grid
        first = max(caret.bar_index - max_bars, 0)
        start = grid.start_of(first)
        part = cut(self.piece.score, start, caret.tick)
        part.tracks[0].pedals = self._pedals_held_on(start, caret.tick)
        if tempo.ritardando_from is not None:
            kept = [t for t in part.tempos if t.time < tempo.ritardando_from - start]
            part.tempos = kept or [Tempo(0, mspq=tempo.mspq, ttype="tick")]
        part = _only_before(self._musical(part), caret.tick - start)
        side = self._side(part, range(first, caret.bar_index + caret.finishes_bar), is_after=False)
        return self._trimmed(side, max_tokens)

    def after(self, tick: int, max_bars: int) -> Side:
        """Read the bars from `tick` on, a bar line, as far as there is music in them."""
        grid = self.piece.grid
        first = grid.bar_at(tick)
        stop = min(first + max_bars, max(last_bar_with_music(self.piece), first))
        part = self._musical(cut(self.piece.score, tick, grid.start_of(stop)))
        return self._side(part, range(first, stop), is_after=True)

    def _musical(self, part: Score) -> Score:
        return snap(part) if self.is_played else part

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

    def _side(self, part: Score, bars: range, *, is_after: bool) -> Side:
        vocabulary = self.tokenizer.vocabulary
        metres = [_spoken(self.piece.grid.metre_of(index)) for index in bars]
        units = np.array([bar_length(*metre) for metre in metres], dtype=np.int64)
        if not metres:
            metre = _spoken(self.piece.grid.metre_of(bars.start))
            bpm = _MICROSECONDS_PER_MINUTE / (part.tempos[0].mspq if part.tempos else tempo_at(self.piece.score, 0))
            head = [vocabulary.id(f"TimeSig_{metre[0]}/{metre[1]}"), vocabulary.id(tempo_name(bpm))]
            body = np.zeros(0, dtype=np.int32)
        else:
            # The tokenizer releases every pedal at the end: one more bar takes what is held on past these.
            ids = self.tokenizer.encode(part, n_bars=len(metres) + 1)
            head = [int(index) for index in ids[:2]]
            body = ids[2 : self.tokenizer.find_bar_indices(ids)[len(metres)]]
        notes = part.tracks[0].notes.numpy()
        starts = np.concatenate([[0], np.cumsum(units)])
        scale = GRID / part.ticks_per_quarter
        onset = _near_whole(notes["time"] * scale, scale)
        place = np.searchsorted(starts, onset, side="right") - 1
        pedal_from = starts[max(len(units) - _PEDAL_BARS, 0)] / scale
        return Side(
            head=head,
            bars=body,
            notes=read_notes(body, vocabulary) if metres else _NO_NOTES,
            bar_units=units,
            positions=onset - starts[place],
            lengths=_near_whole(notes["duration"] * scale, scale),
            velocities=notes["velocity"].astype(np.int64),
            has_pedal=any(p.time + p.duration > pedal_from or is_after for p in part.tracks[0].pedals),
        )

    def _trimmed(self, side: Side, max_tokens: int) -> Side:
        """Leave out whole bars far from the caret until the rest has at most so many tokens; one bar stays."""
        if len(side.bars) <= max_tokens:
            return side
        lines = self.tokenizer.find_bar_indices(side.bars)
        dropped = min(int(np.searchsorted(lines, len(side.bars) - max_tokens)), len(lines) - 1)
        at = int(lines[dropped])
        ids = np.concatenate([np.array(side.head, dtype=np.int32), side.bars])
        in_force = self.tokenizer.extract_metadata_tokens(ids, at + 2)
        kept = side.notes.bar_index >= dropped
        notes = read_notes(side.bars[at:], self.tokenizer.vocabulary)
        return Side(
            head=[int(side.bars[at + 1]), in_force[-1]],
            bars=side.bars[at:],
            notes=notes,
            bar_units=side.bar_units[dropped:],
            positions=side.positions[-int(kept.sum()) :],
            lengths=side.lengths[-int(kept.sum()) :],
            velocities=side.velocities[-int(kept.sum()) :],
            has_pedal=side.has_pedal,
        )


_NO_NUMBERS = np.zeros(0, dtype=np.int64)
_NO_NOTES = TokenNotes(_NO_NUMBERS, _NO_NUMBERS, _NO_NUMBERS, _NO_NUMBERS, _NO_NUMBERS, total_units=0)


def _spoken(metre: Metre) -> Metre:
    spoken = spoken_metre(*metre)
    if spoken is None:
        raise MidiError(
            f"the metre {metre[0]}/{metre[1]} is not among those PianoMuse knows "
            "(n/2 to 4, n/4 to 8, n/8 and n/16 to 12); write these bars in one of them"
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
