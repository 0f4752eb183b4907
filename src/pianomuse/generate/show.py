"""Ideas as rows of the picture and the page: the bars before, the idea, and after a fill the bars behind it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pianomuse.generate.ideas import Candidate, Ideas
from pianomuse.midi.hands import split_hands
from pianomuse.midi.read import Piece, read_midi
from pianomuse.render.rows import Hand, IdeaRow, hands_of_tracks, idea_row

CONTEXT_BARS = 4
_HAND_BARS = 12


def idea_rows(ideas: Ideas, numbers: Sequence[int] | None = None) -> list[IdeaRow]:
    """Return one row per idea.

    Args:
        ideas: what was written.
        numbers: what the ideas are called; their own numbers if None.

    """
    names = numbers if numbers is not None else [idea.number for idea in ideas]
    return [_row(ideas, idea, number) for idea, number in zip(ideas, names, strict=True)]


def _row(ideas: Ideas, idea: Candidate, number: int) -> IdeaRow:
    piece = read_midi(idea.on_bars, first_downbeat_ticks=ideas.first_downbeat_ticks)
    caret = ideas.caret
    return idea_row(
        piece.score,
        piece.grid,
        caret.tick,
        caret.end_tick,
        number=number,
        seed=ideas.seed,
        reason=idea.reason,
        hands=_with_added(_hands(piece, ideas), piece, ideas, idea),
        context_bars=CONTEXT_BARS,
        bars_after=min(ideas.bars_after, CONTEXT_BARS),
    )


def _with_added(hands: list[Hand] | None, piece: Piece, ideas: Ideas, idea: Candidate) -> list[Hand] | None:
    """Return the hands with those of the new bars exactly, where one hand was added to the other."""
    if not ideas.added_hand or hands is None:
        return hands
    new = {(note.tick, note.pitch) for note in idea.notes}
    added: Hand = "left" if ideas.added_hand == "left" else "right"
    given: Hand = "right" if added == "left" else "left"
    notes = piece.score.tracks[0].notes
    first, last = ideas.caret.tick, ideas.caret.end_tick
    return [
        (added if (note.time, note.pitch) in new else given) if first <= note.time < last else hand
        for note, hand in zip(notes, hands, strict=True)
    ]


def _hands(piece: Piece, ideas: Ideas) -> list[Hand] | None:
    """Return the hand of every note near the idea: as the tracks tell it, else by the rule; None for one hand."""
    if ideas.hands != "two hands":
        return None
    told = hands_of_tracks(piece)
    if told is not None:
        return told
    grid, caret = piece.grid, ideas.caret
    notes = piece.score.tracks[0].notes.numpy()
    first = grid.start_of(max(caret.bar_index - _HAND_BARS, 0))
    last = grid.start_of(grid.bar_at(caret.end_tick) + _HAND_BARS)
    near = np.flatnonzero((notes["time"] >= first) & (notes["time"] < last))
    quarter = grid.ticks_per_quarter
    is_right = split_hands(notes["time"][near] / quarter, notes["duration"][near] / quarter, notes["pitch"][near])
    hands: list[Hand] = [""] * len(notes["time"])
    for index, right in zip(near, is_right, strict=True):
        hands[index] = "right" if right else "left"
    return hands
