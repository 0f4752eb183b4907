"""Training examples from sliding windows: N bars of context, the M bars after them, and nothing else asked.

The windows are those of `create_context_completion_pairs` with the numbers the dataset was prepared with, laid out as a
composer's request is (pianomuse.tokens.prompt), so that a model trained on them completes like any other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pianomuse.data.examples import ATTEMPTS, Example
from pianomuse.data.pieces import TokenPiece
from pianomuse.data.store import Header, PieceStore
from pianomuse.errors import DatasetError
from pianomuse.tokens.prompt import PromptWriter, Wishes
from pianomuse.tokens.vocabulary import Vocabulary


class WindowMaker:
    """Draw windows of at most ``max_tokens`` tokens from pieces, each window of a piece as likely as any other."""

    def __init__(self, vocabulary: Vocabulary, max_tokens: int, header: Header) -> None:
        self.vocabulary, self.max_tokens = vocabulary, max_tokens
        self.n_context, self.n_completion, self.step = header.context_bars, header.completion_bars, header.step
        self.prompt = PromptWriter(vocabulary)

    def sizes(self, store: PieceStore) -> NDArray[np.int64]:
        """Return how many windows each piece has: int64 [n]; too short ones have none."""
        sizes: NDArray[np.int64] = (store.n_bars() - self.n_context - self.n_completion) // self.step + 1
        return sizes.clip(min=0)

    def windows(self, n_bars: int) -> list[tuple[int, int, int]]:
        """Return for every window of a piece the bars where context, completion and what follows begin."""
        length = self.n_context + self.n_completion
        firsts = range(0, n_bars - length + 1, self.step)
        ends = [first + length for first in firsts[:-1]] + [n_bars]  # the last runs to the end
        return [(first, first + self.n_context, end) for first, end in zip(firsts, ends, strict=False)]

    def draw(self, piece: TokenPiece, rng: np.random.Generator) -> Example:
        """Draw a window; one that is too long loses context from its far end, by whole bars.

        Raises:
            DatasetError: no window of the piece fits.
        """
        windows = self.windows(piece.n_bars)
        for _ in range(ATTEMPTS if windows else 0):
            example = self._example(piece, *windows[int(rng.integers(len(windows)))])
            if example is not None:
                return example
        raise DatasetError(
            f"{piece.name}: no window of {self.n_context} + {self.n_completion} bars fits into {self.max_tokens} "
            "tokens; raise max_tokens, or prepare with fewer bars"
        )

    def _example(self, piece: TokenPiece, first: int, cut: int, end: int) -> Example | None:
        view = piece.views["full"]
        answer = np.append(view.cut(cut, end), self.vocabulary.id("EOS_None"))
        wishes = Wishes("Continue", end - cut)
        for begin in range(first, cut):
            request = self.prompt.continuation(view.head(begin), view.cut(begin, cut), wishes)
            if len(request) + len(answer) <= self.max_tokens:
                return Example(np.concatenate([request, answer]).astype(np.int32), len(request))
        return None
