"""One row of the ideas picture and page: a few bars of the piece, then one idea, as plain data.

An `IdeaRow` is cut from the whole piece *with the idea already in place*, so that what is drawn and played is what
the written file holds:

    piece = read_midi(with_completion_bytes)
    row = idea_row(piece.score, piece.grid, from_tick, to_tick, number=1, seed=4117, reason="stays close",
                   hands=hands_of_tracks(piece))

All ticks are those of the file. Rows know nothing of pixels or samples; `picture`, `clip` and `page` read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from symusic import Score

from pianomuse.errors import RequestError
from pianomuse.midi.bars import BarGrid
from pianomuse.midi.read import Piece
from pianomuse.render.tempo import TempoStep, seconds_at, tempo_steps

Hand = Literal["right", "left", ""]


@dataclass(frozen=True)
class RollNote:
    """A note as it is drawn and played."""

    onset_ticks: int
    duration_ticks: int
    pitch: int  # MIDI, 0-127
    velocity: int  # 1-127
    hand: Hand  # "" where hands are not told apart
    is_new: bool  # written by the idea, not by the composer


@dataclass(frozen=True)
class IdeaRow:
    """Whole bars around one idea: context, idea and, for `fill`, the bars after it."""

    number: int  # the idea's number, from 1
    seed: int
    reason: str  # in words, may be empty
    notes: tuple[RollNote, ...]  # every note that sounds in these bars, by onset, then pitch
    pedals: tuple[tuple[int, int], ...]  # (down, up) in ticks
    first_bar: int  # number of the first bar drawn, from 1, as in the file
    bar_lines: tuple[int, ...]  # ticks, [n_bars + 1]: the last one closes the row
    beats: tuple[int, ...]  # ticks of every beat, bar lines included
    from_tick: int  # the idea starts here, maybe inside a bar
    to_tick: int  # and ends here
    tempo: tuple[TempoStep, ...]

    @property
    def n_bars(self) -> int:
        """Bars drawn."""
        return len(self.bar_lines) - 1

    def seconds_at(self, tick: int) -> float:
        """Return the time of `tick` in seconds from the start of the file."""
        return seconds_at(self.tempo, tick)


def idea_row(
    score: Score,
    grid: BarGrid,
    from_tick: int,
    to_tick: int,
    *,
    number: int,
    seed: int,
    reason: str = "",
    hands: Sequence[Hand] | None = None,
    context_bars: int = 4,
    bars_after: int = 0,
) -> IdeaRow:
    """Cut one row out of a piece that has the idea in place.

    Args:
        score: the whole piece with the idea, one piano track, at the file's resolution.
        grid: its bars.
        from_tick: where the idea starts; inside a bar when it finishes a half-finished one.
        to_tick: where it ends.
        number: the idea's number, from 1.
        seed: the seed it was drawn with.
        reason: what is said of it in words.
        hands: one entry per note of `score.tracks[0].notes`; None when hands are not told apart.
        context_bars: whole bars shown before the bar in which the idea starts (fewer at the start of a piece).
        bars_after: bars shown after the idea, for `fill` (fewer at the end of a piece).
    """
    if not 0 <= from_tick < to_tick:
        raise RequestError(f"an idea cannot span ticks {from_tick} to {to_tick}; give a start before the end")
    notes = score.tracks[0].notes
    if hands is not None and len(hands) != len(notes):
        raise RequestError(f"{len(hands)} hands for {len(notes)} notes; give one hand per note, or none at all")
    first = max(grid.bar_at(from_tick) - context_bars, 0)
    last_new = grid.bar_at(to_tick - 1)
    last = max(min(last_new + bars_after, grid.n_bars - 1), last_new)
    bar_lines = tuple(grid.start_of(bar_index) for bar_index in range(first, last + 2))
    begin, end = bar_lines[0], bar_lines[-1]
    drawn = [
        RollNote(n.time, n.duration, n.pitch, n.velocity, hands[i] if hands else "", from_tick <= n.time < to_tick)
        for i, n in enumerate(notes)
        if n.time < end and n.time + n.duration > begin
    ]
    return IdeaRow(
        number=number,
        seed=seed,
        reason=reason,
        notes=tuple(sorted(drawn, key=lambda note: (note.onset_ticks, note.pitch))),
        pedals=tuple(
            (p.time, p.time + p.duration)
            for p in score.tracks[0].pedals
            if p.time < end and p.time + p.duration > begin
        ),
        first_bar=first + 1,
        bar_lines=bar_lines,
        beats=tuple(tick for bar_index in range(first, last + 1) for tick in _beats(grid, bar_index)),
        from_tick=from_tick,
        to_tick=to_tick,
        tempo=tempo_steps(score),
    )


def hands_of_tracks(piece: Piece) -> list[Hand] | None:
    """Return the hand of every note as the file's own tracks tell it, or None when they do not."""
    if not {"right", "left"} <= {track.role for track in piece.tracks}:
        return None
    of_role: dict[str, Hand] = {"right": "right", "left": "left"}  # a sung line is neither
    return [of_role.get(piece.tracks[track].role, "") for track in piece.track_of_note]


def _beats(grid: BarGrid, bar_index: int) -> range:
    """Return the ticks of a bar's beats."""
    return range(grid.start_of(bar_index), grid.start_of(bar_index + 1), grid.beat_ticks(bar_index))
