"""How surprising each note of a piece is to the model, in bits: where it expected something else.

A note is spelled by several tokens, and what each cost is kept apart: *when* it comes (the bar lines, metres and
positions passed since the note before), its *pitch*, how *loud* and how *long* it is. The cost of a token is −log2 of
the probability the model gave it after all that stands before, full softmax over all tokens. Pedal and tempo belong to
no note and are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pianomuse.errors import RequestError
from pianomuse.generate.engine import Engine
from pianomuse.generate.prompt import MAX_CONTEXT_TOKENS
from pianomuse.generate.side import SideReader
from pianomuse.midi.read import Piece
from pianomuse.tokens.tokenizer import PianoTokenizer
from pianomuse.tokens.vocabulary import GRID, Vocabulary

_TOKENS_AT_ONCE = 1024


@dataclass(frozen=True)
class NoteSurprise:
    """The surprise of one note of the composer's file, in bits.

    Args:
        tick: onset.
        pitch: MIDI pitch.
        track: index into `Piece.tracks`.
        bar: bar it starts in, from 1.
        when: of its place in time; 0 for a note struck together with the one before it.
        what: of its pitch.
        how_loud: of its velocity.
        how_long: of its length.

    """

    tick: int
    pitch: int
    track: int
    bar: int
    when: float
    what: float
    how_loud: float
    how_long: float

    @property
    def bits(self) -> float:
        """All of it together."""
        return self.when + self.what + self.how_loud + self.how_long


def surprise(
    engine: Engine[Any], tokenizer: PianoTokenizer, piece: Piece, *, progress: Callable[[float], None] | None = None
) -> tuple[NoteSurprise, ...]:
    """Return the surprise of the notes of a piece, by onset, then pitch.

    Args:
        engine: the model; it must be able to tell its logits after every token.
        tokenizer: its tokenizer.
        piece: the composer's file.
        progress: called with the share that is read, 0 … 1.

    Returns:
        One entry per note that the tokens can say: no notes outside of the piano's keys, none behind a metre that is
        unknown, and none behind the 32,768th token.

    """
    if not hasattr(engine, "prefill_all"):
        raise RequestError("this model cannot tell how surprised it is; use --device cpu", "surprise_impossible")
    side = SideReader(piece, tokenizer).whole
    vocabulary = tokenizer.vocabulary
    ids = np.concatenate([[vocabulary.id("BOS_None")], side.head, side.bars]).astype(np.int32)[:MAX_CONTEXT_TOKENS]
    if len(ids) < 4:
        return ()
    costs = _bits_by_note(ids, _bits(engine, ids, progress), vocabulary)
    onset_units, pitches = side.notes.onset.tolist(), side.notes.pitch.tolist()
    known = dict(zip(zip(onset_units, pitches, strict=True), costs, strict=False))
    score = tokenizer.musical(piece.score)
    raw, meant = piece.score.tracks[0].notes.numpy(), score.tracks[0].notes.numpy()
    units = np.floor(meant["time"] * (GRID / score.ticks_per_quarter) + 0.5).astype(np.int64)
    found = []
    for index, place in enumerate(zip(units.tolist(), raw["pitch"].tolist(), strict=True)):
        if place in known:
            tick = int(raw["time"][index])
            track = int(piece.track_of_note[index])
            found.append(NoteSurprise(tick, place[1], track, piece.grid.bar_at(tick) + 1, *known[place]))
    return tuple(sorted(found, key=lambda note: (note.tick, note.pitch)))


def _bits(engine: Any, ids: NDArray[np.int32], progress: Callable[[float], None] | None) -> NDArray[np.float64]:
    """Return −log2 p of every token but the first: float64 [T − 1]."""
    bits = np.empty(len(ids) - 1)
    state = None
    for first in range(0, len(bits), _TOKENS_AT_ONCE):
        stop = min(first + _TOKENS_AT_ONCE, len(bits))
        read, state = engine.prefill_all(ids[first:stop], state)
        logits = read.astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        chosen = logits[np.arange(stop - first), ids[first + 1 : stop + 1]]
        bits[first:stop] = (np.log(np.exp(logits).sum(axis=1)) - chosen) / np.log(2)
        if progress is not None:
            progress(stop / len(bits))
    return bits


def _bits_by_note(
    ids: NDArray[np.int32], bits: NDArray[np.float64], vocabulary: Vocabulary
) -> list[tuple[float, float, float, float]]:
    """Return when, what, how loud and how long of every note that is spelled to its end, in the order of the tokens."""
    kinds = vocabulary.kinds[ids]
    in_time = np.isin(kinds, ("Bar", "TimeSig", "Position"))
    in_time[:2] = False  # the metre that is given
    passed = np.concatenate([[0.0], np.cumsum(np.where(in_time[1:], bits, 0.0))])
    pitches = np.flatnonzero(kinds == "Pitch")
    pitches = pitches[pitches + 2 < len(ids)]
    when = np.diff(passed[pitches], prepend=0.0)
    parts = (when, bits[pitches - 1], bits[pitches], bits[pitches + 1])
    return [(float(a), float(b), float(c), float(d)) for a, b, c, d in zip(*parts, strict=True)]
