"""Training examples: continuation, fill-in-the-middle in three orders, one hand, melody.

Each is a stream of ids laid out exactly as the composer's request will be (pianomuse.tokens.prompt), with the answer
at its end. A control token says what is asked; every control but task and number of bars is left out at random, so
that the model can be asked with or without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pianomuse.data.pieces import UNKNOWN_KEY, TokenPiece, View
from pianomuse.data.store import PieceStore
from pianomuse.errors import ConfigError, DatasetError
from pianomuse.midi.keys import key_of_signature, key_scores
from pianomuse.tokens.notes import (
    density_bin,
    key_token,
    n_voices,
    read_notes,
)
from pianomuse.tokens.prompt import MAX_SUFFIX_BARS, NEAR_BARS, PromptWriter, Wishes
from pianomuse.tokens.vocabulary import GRID, MAX_BARS_TO_WRITE, Vocabulary

ATTEMPTS = 16
KINDS = ("continuation", "fill_prefix_first", "fill_suffix_first", "fill_around", "hand", "melody", "accompany")
FillOrder = Literal["prefix first", "suffix first", "around"]


@dataclass(frozen=True)
class ExampleMix:
    """How often each kind of example is drawn (shares, need not add up to one), and how controls are dropped."""

    continuation: float = field(default=0.55, metadata={"help": "share of plain continuation", "min": 0, "max": 1000})
    fill_prefix_first: float = field(
        default=0.0, metadata={"help": "share of fill, prefix before suffix", "min": 0, "max": 1000}
    )
    fill_suffix_first: float = field(
        default=0.0, metadata={"help": "share of fill, suffix before prefix", "min": 0, "max": 1000}
    )
    fill_around: float = field(
        default=0.24,
        metadata={
            "help": "share of fill as it is asked: far bars, suffix, the last four before",
            "min": 0,
            "max": 1000,
        },
    )
    hand: float = field(
        default=0.08, metadata={"help": "share of: one hand given, write the other", "min": 0, "max": 1000}
    )
    melody: float = field(default=0.05, metadata={"help": "share of: melody alone, continue it", "min": 0, "max": 1000})
    accompany: float = field(
        default=0.08, metadata={"help": "share of: melody given, write what goes under it", "min": 0, "max": 1000}
    )
    few_bars: float = field(
        default=0.5,
        metadata={"help": "probability that fill and given have 1 to 32 bars before them, not all", "min": 0, "max": 1},
    )
    drop_control: float = field(
        default=0.4, metadata={"help": "probability of leaving out each control", "min": 0, "max": 1}
    )


@dataclass(frozen=True)
class Example:
    """One training example.

    Args:
        ids: int32 [T], context, request and answer, ending with EOS.
        ctx_len: number of tokens before the answer's first.

    """

    ids: NDArray[np.int32]
    ctx_len: int


class ExampleMaker:
    """Cut examples of at most ``max_tokens`` tokens from pieces."""

    def __init__(self, vocabulary: Vocabulary, max_tokens: int, mix: ExampleMix | None = None) -> None:
        self.vocabulary = vocabulary
        self.max_tokens = max_tokens
        self.mix = mix or ExampleMix()
        if not any(getattr(self.mix, kind) for kind in KINDS):
            raise ConfigError(f"all shares of {', '.join(KINDS)} are 0: give one of them a share")
        self.prompt = PromptWriter(vocabulary)

    def sizes(self, store: PieceStore) -> NDArray[np.int64]:
        """Return how much there is to draw from each piece, its tokens: int64 [n]."""
        return store.lengths()

    def draw(self, piece: TokenPiece, rng: np.random.Generator) -> Example:
        """Draw one example of a random kind that this piece can give."""
        kinds: list[tuple[float, Callable[[TokenPiece, np.random.Generator], Example | None]]] = [
            (self.mix.continuation, self.continuation),
            (self.mix.fill_prefix_first, lambda p, r: self.fill(p, r, "prefix first")),
            (self.mix.fill_suffix_first, lambda p, r: self.fill(p, r, "suffix first")),
            (self.mix.fill_around, lambda p, r: self.fill(p, r, "around")),
        ]
        if "left" in piece.views:
            kinds.append((self.mix.hand, self.hand))
        if "melody" in piece.views:
            kinds += [(self.mix.melody, self.melody), (self.mix.accompany, self.accompany)]
        shares = np.array([share for share, _ in kinds], dtype=np.float64)
        n_drawn = ATTEMPTS // 2 if shares.any() else 0
        # A kind that does not fit gives way to continuation, and a place with a bar too full to another place.
        for attempt in range(ATTEMPTS):
            choice = int(rng.choice(len(kinds), p=shares / shares.sum())) if attempt < n_drawn else 0
            example = kinds[choice][1](piece, rng)
            if example is not None:
                return example
        raise DatasetError(f"{piece.name}: no bar of it fits into {self.max_tokens} tokens; raise max_tokens")

    def continuation(self, piece: TokenPiece, rng: np.random.Generator) -> Example | None:
        """All bars before, then the next ones; songs now and then without their voice."""
        view = piece.views["rest" if piece.has_voice and rng.random() < 0.5 else "full"]
        end = self._draw_end(view, rng)
        caret = self._draw_caret(view, end, rng)
        context = self._context(view, caret, self._room(view, caret, end), rng)
        wishes = self._wishes(piece, view, caret, end, "Continue", rng)
        return self._finish(self.prompt.continuation(*context, wishes), view.cut(caret, end))

    def melody(self, piece: TokenPiece, rng: np.random.Generator) -> Example | None:
        """The melody alone, continued as a melody."""
        view = piece.views["melody"]
        end = self._draw_end(view, rng)
        caret = self._draw_caret(view, end, rng)
        context = self._context(view, caret, self._room(view, caret, end), rng)
        wishes = self._wishes(piece, view, caret, end, "Melody", rng)
        return self._finish(self.prompt.continuation(*context, wishes), view.cut(caret, end))

    def fill(self, piece: TokenPiece, rng: np.random.Generator, order: FillOrder) -> Example | None:
        """Bars on both sides in an order, then the missing ones."""
        view = piece.views["full"]
        n_bars = view.n_bars
        if n_bars < 3:
            return None
        first = int(rng.integers(1, n_bars - 1))
        last = min(first + self._draw_n_bars(rng), first + 8, n_bars - 1)
        stop = min(last + int(rng.integers(1, MAX_SUFFIX_BARS + 1)), n_bars)
        while stop > last + 1 and view.length(first, stop) > self.max_tokens // 2:
            stop -= 1
        begin = self._draw_begin(view, first, self._room(view, first, stop), rng, may_be_few=True)
        suffix = (view.head(last), view.cut(last, stop))
        wishes = self._wishes(piece, view, first, last, "Fill", rng)
        if order == "around":
            split = max(first - NEAR_BARS, begin)
            far, near = (view.head(begin), view.cut(begin, split)), (view.head(split), view.cut(split, first))
            request = self.prompt.fill_around(*far, *near, *suffix, wishes)
        else:
            prefix = view.head(begin), view.cut(begin, first)
            request = self.prompt.fill(*prefix, *suffix, wishes, suffix_first=order == "suffix first")
        return self._finish(request, view.cut(first, last))

    def hand(self, piece: TokenPiece, rng: np.random.Generator) -> Example | None:
        """One hand of the bars is given, the other is to be written."""
        wanted, given = ("left", "right") if rng.random() < 0.5 else ("right", "left")
        return self._under_given(piece, rng, wanted, given, "Hand", wanted.capitalize())

    def accompany(self, piece: TokenPiece, rng: np.random.Generator) -> Example | None:
        """The melody of the bars is given, what goes under it is to be written."""
        return self._under_given(piece, rng, "rest", "melody", "Accompany", "Both")

    def _under_given(
        self, piece: TokenPiece, rng: np.random.Generator, wanted: str, given: str, task: str, hand: str
    ) -> Example | None:
        full, answer, heard = piece.views["full"], piece.views[wanted], piece.views[given]
        end = self._draw_end(full, rng)
        caret = self._draw_caret(full, end, rng)
        if answer.length(caret, end) + heard.length(caret, end) > self.max_tokens // 2:
            return None
        room = self.max_tokens - answer.length(caret, end) - heard.length(caret, end) - 24
        begin = self._draw_begin(full, caret, room, rng, may_be_few=True)
        wishes = self._wishes(piece, answer, caret, end, task, rng, hand=hand)
        request = self.prompt.continuation(full.head(begin), full.cut(begin, caret), wishes)
        beside = self.prompt.beside(heard.cut(caret, end))
        return self._finish(request, self.prompt.interleave(answer.cut(caret, end), beside))

    def _finish(self, request: NDArray[np.int32], answer: NDArray[np.int32]) -> Example | None:
        ids = np.concatenate([request, answer, [self.vocabulary.id("EOS_None")]]).astype(np.int32)
        if len(ids) > self.max_tokens or len(answer) == 0:
            return None
        return Example(ids, len(request))

    def _draw_end(self, view: View, rng: np.random.Generator) -> int:
        """Draw the bar an example ends before; late enough that a long context fits, where there is one."""
        fits = int(np.searchsorted(view.bars, view.bars[0] + self.max_tokens * 0.9, side="right")) - 1
        if rng.random() < 0.2:
            fits = 2
        return int(rng.integers(min(max(fits, 2), view.n_bars), view.n_bars + 1))

    def _draw_caret(self, view: View, end: int, rng: np.random.Generator) -> int:
        """Draw the bar the answer begins with, so that the answer takes at most half of the tokens."""
        shortest = int(np.searchsorted(view.bars, view.bars[end] - self.max_tokens // 2))
        return min(max(end - self._draw_n_bars(rng), shortest, 0), end - 1)

    def _draw_n_bars(self, rng: np.random.Generator) -> int:
        """Draw how many bars are to be written: 1 … 32, mostly few."""
        return int(np.exp(rng.uniform(0.0, np.log(MAX_BARS_TO_WRITE + 1))))

    def _room(self, view: View, first: int, end: int) -> int:
        return self.max_tokens - view.length(first, end) - 24

    def _context(
        self, view: View, caret: int, room: int, rng: np.random.Generator
    ) -> tuple[list[int], NDArray[np.int32]]:
        """Cut the bars before the caret: as many whole ones as fit, one time in five fewer."""
        begin = self._draw_begin(view, caret, room, rng)
        return view.head(begin), view.cut(begin, caret)

    def _draw_begin(
        self, view: View, caret: int, room: int, rng: np.random.Generator, *, may_be_few: bool = False
    ) -> int:
        """Draw the first bar that is read.

        What follows the context is a small part of an example with all of it. `may_be_few` has fewer bars more often,
        so that more of what is learnt is how the answer fits to what is given.
        """
        begin = int(np.searchsorted(view.bars, view.bars[caret] - max(room, 0)))
        if may_be_few and rng.random() < self.mix.few_bars:
            begin = max(begin, caret - self._draw_n_bars(rng))
        elif rng.random() < 0.2 and caret > begin:
            begin = int(rng.integers(begin, caret))
        return min(begin, caret, view.n_bars - 1)

    def _wishes(
        self,
        piece: TokenPiece,
        view: View,
        first: int,
        end: int,
        task: str,
        rng: np.random.Generator,
        *,
        hand: str = "Both",
    ) -> Wishes:
        """Describe the answer in control tokens, each dropped at random."""
        keep = rng.random(6) >= self.mix.drop_control
        notes = read_notes(view.cut(first, end), self.vocabulary)
        key = None
        if keep[0] and piece.key_sharps[first] != UNKNOWN_KEY:
            around = read_notes(view.cut(max(first - 8, 0), end), self.vocabulary)
            index = key_of_signature(int(piece.key_sharps[first]), key_scores(around.pitch, around.duration))
            key = key_token(index).removeprefix("Key_")
        return Wishes(
            task=task,
            n_bars=end - first,
            is_expressive=piece.is_expressive,
            key=key,
            hand=hand if keep[1] or hand != "Both" else None,
            n_voices=n_voices(notes) if keep[2] else None,
            density=density_bin(len(notes.onset), notes.total_units / GRID) if keep[3] else None,
            ending="Final" if end == view.n_bars and keep[4] else None,
        )
