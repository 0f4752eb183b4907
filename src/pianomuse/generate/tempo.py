"""The tempo an idea is written in: the one that prevails at the caret, not that of a ritardando before it."""

from __future__ import annotations

from dataclasses import dataclass

from pianomuse.generate.caret import Caret, music_end
from pianomuse.midi.bars import prevailing_tempo, tempo_at
from pianomuse.midi.read import Piece

_MICROSECONDS_PER_MINUTE = 60_000_000


@dataclass(frozen=True)
class IdeaTempo:
    """The tempo of an idea.

    Args:
        mspq: microseconds per quarter note.
        is_written: the file has another tempo there, because of a ritardando; this one has to be written.
        ritardando_from: tick from which tempo events are a ritardando that the model does not hear; None without one.

    """

    mspq: int
    is_written: bool
    ritardando_from: int | None

    @property
    def bpm(self) -> float:
        """Quarter notes per minute."""
        return _MICROSECONDS_PER_MINUTE / self.mspq


def idea_tempo(piece: Piece, caret: Caret, *, keep_ritardando: bool = False) -> IdeaTempo:
    """Return the tempo an idea at the caret is written in.

    A tempo event of the composer's on the caret itself holds. One step down that stays is a new tempo, not a
    ritardando.
    """
    score, tick = piece.score, caret.tick
    is_on_caret = not caret.is_inserted and any(tempo.time == tick for tempo in score.tempos)
    in_force = tempo_at(score, tick if not caret.is_inserted else max(tick - 1, 0))
    before, has_fallen = prevailing_tempo(score, piece.grid, tick)
    if not has_fallen or keep_ritardando or _is_new_tempo(piece, tick):
        return IdeaTempo(in_force, is_written=False, ritardando_from=None)
    window = _window_start(piece, tick)
    if is_on_caret:
        return IdeaTempo(in_force, is_written=False, ritardando_from=window)
    return IdeaTempo(before, is_written=True, ritardando_from=window)


def _window_start(piece: Piece, tick: int) -> int:
    """Return where the last two bars before `tick` begin; the very first tempo is never part of a ritardando."""
    return max(piece.grid.start_of(max(piece.grid.bar_at(max(tick - 1, 0)) - 1, 0)), 1)


def _is_new_tempo(piece: Piece, tick: int) -> bool:
    """Tell whether the fall before `tick` is one step, on a bar line, that holds for two bars of music and more."""
    grid = piece.grid
    steps = [tempo.time for tempo in piece.score.tempos if _window_start(piece, tick) <= tempo.time < tick]
    two_bars_on = grid.start_of(grid.bar_at(tick) + 2)
    if len(steps) != 1 or music_end(piece) < two_bars_on:
        return False
    is_bar_line = grid.start_of(grid.bar_at(steps[0])) == steps[0]
    return is_bar_line and not any(tick <= tempo.time < two_bars_on for tempo in piece.score.tempos)
