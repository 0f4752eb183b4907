"""A request for one hand under or over the other: the given hand is read bar for bar, the missing one is written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pianomuse.errors import RequestError
from pianomuse.generate.aims import with_aims
from pianomuse.generate.asked import Asked
from pianomuse.generate.caret import Caret, onsets_and_ends
from pianomuse.generate.given import Given
from pianomuse.generate.heard import Hands, who_plays
from pianomuse.generate.key import HeardKey
from pianomuse.generate.plan import Plan, RingingNote
from pianomuse.generate.possible import require_possible
from pianomuse.generate.prompt import (
    DEFAULT_CONTEXT_BARS,
    MAX_CONTEXT_TOKENS,
    Request,
    bars_asked,
    is_expressive,
    limits_near,
    plan_at,
    require_context,
)
from pianomuse.generate.side import Side, SideReader
from pianomuse.generate.tempo import IdeaTempo
from pianomuse.generate.tracks import hands_of_music
from pianomuse.midi.read import Piece
from pianomuse.tokens.prompt import PromptWriter, Wishes
from pianomuse.tokens.tokenizer import PianoTokenizer
from pianomuse.tokens.vocabulary import GRID

MISSING = "missing"
"""In place of a hand's name: the hand that does not play yet."""


def write_hand_request(
    piece: Piece,
    tokenizer: PianoTokenizer,
    caret: Caret,
    tempo: IdeaTempo,
    key: HeardKey,
    hand: str,
    *,
    context_bars: int = DEFAULT_CONTEXT_BARS,
    reader: SideReader,
    asked: Asked,
) -> Request:
    """Lay out the request for one hand in bars in which the other plays.

    Args:
        piece: the composer's file.
        tokenizer: the model's.
        caret: the bars.
        tempo: in them.
        key: of them; a guess is not told to the model.
        hand: the one to be written, ``left`` or ``right``; MISSING finds out.
        context_bars: how many bars before the caret are read at most.
        reader: of the piece.
        asked: limits that hold for the new hand.

    Raises:
        RequestError: nobody plays in these bars, or both hands do; limits that cannot hold.

    """
    require_context(context_bars)
    if asked.keep:
        raise RequestError(
            f"--keep {asked.keep}: a hand that is missing has none to keep; leave --keep out",
            "hand_has_none_to_keep",
            kept=asked.keep,
        )
    before = reader.before(caret, tempo, context_bars, MAX_CONTEXT_TOKENS)
    there = reader.within(caret.bar_index, caret.n_bars)
    given = _given(piece, caret, there, hand, tempo)
    sides = [side for side in (before, there) if len(side.notes.onset)]
    wishes = Wishes(
        task="Hand",
        n_bars=caret.n_bars,
        is_expressive=is_expressive(sides),
        key=None if key.is_guess else key.token_value,
        hand=given.hand.capitalize(),
    )
    writer = PromptWriter(tokenizer.vocabulary)
    ids = writer.continuation(before.head, before.bars, wishes)
    limits = replace(limits_near(sides, None, tempo, is_played=reader.is_played), n_hands=1)
    plan = plan_at(piece, tokenizer, caret, before.bars, before.bars[:0], limits)
    first_given = min(onset for onset, _, _ in given.notes)
    plan = replace(
        plan,
        given=given,
        beside=writer.beside(there.bars),
        pedal_down=False,
        ringing=_ringing(plan, piece, caret, given.hand),
        min_position=min(first_given, plan.bar_starts[1] - 1),  # it does not begin before what it goes with
    )

    def plan_of(asked: Asked) -> Plan:
        bars = bars_asked(asked, caret, limits, key) if asked.said else ()
        if bars and plan.min_position:  # a bar that begins late is not held to a least number of notes
            bars = (replace(bars[0], min_notes=0), *bars[1:])
        return with_aims(replace(plan, bars=bars), asked, caret, key)

    lines = before.lines + 1 + len(before.head)
    return Request(ids, lines, require_possible(asked, plan_of, caret.bar_index + 1), None, before, None)


def _given(piece: Piece, caret: Caret, there: Side, hand: str, tempo: IdeaTempo) -> Given:
    onset, _ = onsets_and_ends(piece)
    inside = (onset >= caret.tick) & (onset < caret.end_tick)
    first, last = caret.at_bar + 1, caret.bar_index + caret.n_bars
    where = f"bars {first} to {last}" if last > first else f"bar {first}"
    if not inside.any() or not len(there.notes.onset):  # none, or none that a piano has
        raise RequestError(
            f"{where}: no notes to harmonise there; choose other bars with --from-bar and --to-bar",
            "nothing_to_harmonise",
            first=first,
            last=last,
        )
    roles = frozenset(piece.tracks[index].role for index in set(piece.track_of_note[inside].tolist()))
    playing: Hands = who_plays(there.notes, roles, tempo.bpm)
    if playing == "two hands":
        raise RequestError(
            f"{where}: two hands play there already; harmonise writes the hand that is missing, "
            "`fill` and `vary` write both anew",
            "two_hands_there",
            first=first,
            last=last,
        )
    if hand == MISSING:
        hand = "left" if playing == "right hand alone" else "right"
    pitch = piece.score.tracks[0].notes.numpy()["pitch"]
    notes = there.notes
    rows = zip(notes.onset.tolist(), (notes.onset + notes.duration).tolist(), notes.pitch.tolist(), strict=True)
    held = _held_by_the_other(piece, caret, hand)
    stays = frozenset(zip(onset[inside].tolist(), pitch[inside].tolist(), strict=True))
    return Given(hand, (*held, *rows), stays)


def _held_by_the_other(piece: Piece, caret: Caret, hand: str) -> list[tuple[int, int, int]]:
    """Return the given hand's notes that ring over the first bar line, as `Given.notes`."""
    scale = GRID / piece.grid.ticks_per_quarter
    onset, end = onsets_and_ends(piece)
    pitch = piece.score.tracks[0].notes.numpy()["pitch"]
    hands = _hands_of_ringing(piece, caret)
    return [
        (0, int(np.ceil((stop - caret.bar_tick) * scale)), int(key))
        for start, stop, key in zip(onset.tolist(), end.tolist(), pitch.tolist(), strict=True)
        if start < caret.bar_tick < stop and hands.get((start, key)) != hand
    ]


def _ringing(plan: Plan, piece: Piece, caret: Caret, hand: str) -> tuple[RingingNote, ...]:
    """Return what the new hand itself holds over the first bar line."""
    held = {key for (_, key), who in _hands_of_ringing(piece, caret).items() if who == hand}
    return tuple(note for note in plan.ringing if note.pitch in held)


def _hands_of_ringing(piece: Piece, caret: Caret) -> dict[tuple[int, int], str]:
    onset, end = onsets_and_ends(piece)
    rings = (onset < caret.bar_tick) & (end > caret.bar_tick)
    if not rings.any():
        return {}
    return hands_of_music(piece, int(onset[rings].min()), caret.bar_tick)
