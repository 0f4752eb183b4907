"""One hand under or over what the other plays: whose notes are whose, and what stays as it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from symusic import Note

from pianomuse.errors import RequestError
from pianomuse.generate.aims import with_aims
from pianomuse.generate.asked import Asked
from pianomuse.generate.caret import Caret, onsets_and_ends
from pianomuse.generate.given import Given
from pianomuse.generate.heard import Heard
from pianomuse.generate.kept import find_kept
from pianomuse.generate.key import HeardKey
from pianomuse.generate.plan import Limits, Plan
from pianomuse.generate.possible import require_possible
from pianomuse.generate.prompt import (
    MAX_CONTEXT_TOKENS,
    Request,
    bars_asked,
    heard_near,
    limits_near,
    plan_at,
    require_context,
    wishes_near,
    with_asked,
)
from pianomuse.generate.side import Side, SideReader, spoken_metres
from pianomuse.generate.tempo import IdeaTempo
from pianomuse.generate.tracks import hands_of_music
from pianomuse.midi.read import Piece
from pianomuse.tokens.prompt import MAX_SUFFIX_BARS, PromptWriter
from pianomuse.tokens.tokenizer import PianoTokenizer
from pianomuse.tokens.vocabulary import GRID


def write_one_hand(
    piece: Piece,
    tokenizer: PianoTokenizer,
    caret: Caret,
    tempo: IdeaTempo,
    key: HeardKey,
    *,
    context_bars: int,
    density_shift: int,
    reader: SideReader,
    asked: Asked,
    is_fill: bool,
    known: frozenset[tuple[int, int]] | None = None,
) -> Request:
    """Lay out the request for ideas of one hand; what the other plays in the new bars stays and is read with them.

    Args: as for `prompt.write_request`; what stands behind the bars is not read. `known`: onset in ticks and pitch of
    the notes in the bars that are the hand's, where a rule need not tell.

    Raises:
        RequestError: a half-finished bar, `context_bars` below 1, or limits that cannot hold.
        MidiError: a metre that the tokens cannot say.

    """
    require_context(context_bars)
    if caret.finishes_bar:
        raise RequestError(
            f"--hand {asked.hand}: bar {caret.at_bar} is half finished; name a bar with --at-bar",
            "hand_half_bar",
            hand=asked.hand,
            bar=caret.at_bar,
        )
    before = reader.before(caret, tempo, context_bars, MAX_CONTEXT_TOKENS)
    is_own = _of_hand(piece, caret, asked.hand, known)
    own, other = _only(piece, is_own), _only(piece, ~is_own)
    near = _near(own, reader, caret, tempo, context_bars) if is_own.any() else []
    heard = heard_near(own, caret, near[0], near[1], tempo, is_fill=False) if near else None
    sides = [side for side in near if len(side.notes.onset)][:1]
    given = _given(other, caret, asked.hand)
    limits = _limits(before, sides, heard, tempo, reader, given)
    wishes = with_asked(wishes_near(caret, sides, heard, key, density_shift, is_fill=False), asked, caret)
    wishes = replace(wishes, task="Hand", hand=asked.hand.capitalize())
    writer = PromptWriter(tokenizer.vocabulary)
    ids = writer.continuation(before.head, before.bars, wishes)
    beside = writer.beside(_given_bars(other, reader, caret))
    kept = find_kept(own, caret, asked, spoken_metres(caret), tempo.bpm, n_hands=1)

    def plan_of(some: Asked) -> Plan:
        bars = bars_asked(some, caret, limits, key)
        plan = plan_at(own, tokenizer, caret, before.bars, before.bars[:0], limits)
        stays = kept if some.keep else None
        plan = replace(plan, pedal_down=False, given=given, beside=beside, bars=bars, kept=stays)
        return with_aims(plan, some, caret, key)

    lines = before.lines + 1 + len(before.head)
    return Request(ids, lines, require_possible(asked, plan_of, caret.bar_index + 1), heard, before, None)


def bar_of_hand(piece: Piece, hand: str) -> int | None:
    """Return the last bar, from 1, in which a hand plays; 0 if it does not, None if no hand is named."""
    if not hand:
        return None
    _, end = onsets_and_ends(piece)
    own = end[notes_of_hand(piece, hand)]
    return piece.grid.bar_at(int(own.max()) - 1) + 1 if len(own) else 0


def _of_hand(piece: Piece, caret: Caret, hand: str, known: frozenset[tuple[int, int]] | None) -> NDArray[np.bool_]:
    """Return which notes a hand plays: bool [n]; in the new bars those that are known, where they are."""
    is_own = notes_of_hand(piece, hand)
    if known is not None:
        onset, _ = onsets_and_ends(piece)
        is_known = np.array([place in known for place in places_of(piece)], dtype=bool)
        is_own = np.where((onset >= caret.tick) & (onset < caret.end_tick), is_known, is_own)
    return is_own


def places_of(piece: Piece) -> list[tuple[int, int]]:
    """Return onset in ticks and pitch of every note of a piece."""
    onset, _ = onsets_and_ends(piece)
    return list(zip(onset.tolist(), piece.score.tracks[0].notes.numpy()["pitch"].tolist(), strict=True))


def notes_of_hand(piece: Piece, hand: str) -> NDArray[np.bool_]:
    """Return which notes of a piece a hand plays: bool [n]. A voice is nobody's hand."""
    _, end = onsets_and_ends(piece)
    hands = hands_of_music(piece, 0, int(end.max(initial=0)) + 1)
    return np.array([hands[place] == hand for place in places_of(piece)], dtype=bool)


def _near(own: Piece, reader: SideReader, caret: Caret, tempo: IdeaTempo, context_bars: int) -> list[Side]:
    """Return what a hand plays before and behind the new bars."""
    alone = SideReader(own, reader.tokenizer)
    alone.is_played = reader.is_played
    before = alone.before(caret, tempo, context_bars, MAX_CONTEXT_TOKENS)
    return [before, alone.after(caret.old_end_tick, MAX_SUFFIX_BARS)]


def _limits(
    before: Side, sides: list[Side], heard: Heard | None, tempo: IdeaTempo, reader: SideReader, given: Given | None
) -> Limits:
    """Return the limits for one hand: what it played itself, on the grid and as loud as both did."""
    both = limits_near([before] if len(before.notes.onset) else [], None, tempo, is_played=reader.is_played)
    own = limits_near(sides, heard, tempo, is_played=reader.is_played)
    velocity = both.velocity if own.velocity is None and not sides else own.velocity
    may_pedal = both.may_pedal and given is None
    return replace(own, grid=both.grid, velocity=velocity, n_hands=min(own.n_hands, 1), may_pedal=may_pedal)


def _given_bars(other: Piece, reader: SideReader, caret: Caret) -> NDArray[np.int32]:
    """Return the tokens of the new bars with what the other hand plays there."""
    others = SideReader(other, reader.tokenizer)
    others.is_played = reader.is_played
    side = others.within(caret.bar_index, caret.n_bars)
    if not caret.is_inserted:
        return side.bars
    vocabulary = reader.tokenizer.vocabulary
    empty = [vocabulary.id(name) for n, d in spoken_metres(caret) for name in ("Bar_None", f"TimeSig_{n}/{d}")]
    return np.array(empty, dtype=np.int32)


def _given(other: Piece, caret: Caret, wanted: str) -> Given | None:
    """Return what the other hand plays while the new bars last; None where it plays nothing."""
    onset, end = onsets_and_ends(other)
    pitch = other.score.tracks[0].notes.numpy()["pitch"]
    sounds = (onset < (caret.tick if caret.is_inserted else caret.end_tick)) & (end > caret.tick)
    if not sounds.any():
        return None
    scale = GRID / other.grid.ticks_per_quarter
    first = np.maximum(np.floor((onset[sounds] - caret.tick) * scale), 0).astype(np.int64)
    last = np.ceil((end[sounds] - caret.tick) * scale).astype(np.int64)
    starts = sounds & (onset >= caret.tick)
    return Given(
        wanted,
        tuple(zip(first.tolist(), last.tolist(), pitch[sounds].tolist(), strict=True)),
        frozenset(zip(onset[starts].tolist(), pitch[starts].tolist(), strict=True)),
    )


def _only(piece: Piece, chosen: NDArray[np.bool_]) -> Piece:
    score = piece.score.copy()
    columns = score.tracks[0].notes.numpy()
    score.tracks[0].notes = Note.from_numpy(**{name: column[chosen] for name, column in columns.items()}, ttype="tick")
    return replace(piece, score=score, track_of_note=piece.track_of_note[chosen])
