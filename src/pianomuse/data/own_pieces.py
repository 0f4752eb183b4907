"""Somebody's own pieces, read straight from a folder, and what of them is held out to judge by.

A style is learnt from a handful of pieces. With six works or more, one work in five is held out whole; with fewer, the
last fifth of the bars of every piece of twenty bars or more. With too little even for that nothing is held out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pianomuse.data.batches import IGNORE, Batch, TargetMask, collate
from pianomuse.data.examples import Example
from pianomuse.data.pieces import TokenPiece, View
from pianomuse.data.prepare import FileResult, kept_and_dropped, midi_names, tokenise_file
from pianomuse.data.works import group_works
from pianomuse.errors import DatasetError
from pianomuse.tokens.tokenizer import PianoTokenizer

MIN_WORKS = 6
MIN_BARS_TO_CUT = 20
MIN_HELD_OUT_BARS = 16
_HELD_OUT = 5  # one in so many
_GIVEN = 2  # metre and tempo at the head of a passage are given
_FROM_THE_START = 0.25  # share of passages that begin with the piece's first bar
_LAST_START = 4  # bars before the end


@dataclass(frozen=True)
class Split:
    """What is learnt from and what is judged by.

    Args:
        training: pieces, or the first bars of them.
        held_out: pieces, or the last bars of them; empty where there is too little.
        said: how it was split, for people.

    """

    training: list[TokenPiece]
    held_out: list[TokenPiece]
    said: str


def read_own_pieces(
    source: Path, *, progress: Callable[[int, int], None] | None = None
) -> tuple[list[TokenPiece], dict[str, int]]:
    """Read a folder of MIDI files, or one file; return pieces with versions of a work told, and what was dropped.

    Args:
        source: a folder, searched recursively, or a file.
        progress: called with (files done, files in all).

    Raises:
        DatasetError: nothing there that can be used.

    """
    if not source.exists():
        raise DatasetError(f"{source}: no such file or folder; give the folder that holds your MIDI files")
    folder, names = (source, midi_names(source)) if source.is_dir() else (source.parent, [source.name])
    results: list[FileResult] = []
    for name in names:
        results.append(tokenise_file(folder, name))
        if progress is not None:
            progress(len(results), len(names))
    kept, dropped = kept_and_dropped(results, source)
    works = group_works([result.turns for result in kept])
    pieces = [
        replace(result.piece, work_id=kept[work].name)
        for result, work in zip(kept, works, strict=True)
        if result.piece is not None
    ]
    return pieces, dict(dropped)


def hold_out(pieces: Sequence[TokenPiece]) -> Split:
    """Decide what is judged by; always the same for the same pieces."""
    works = sorted({piece.work_id for piece in pieces})
    if len(works) >= MIN_WORKS:
        n_held = round(len(works) / _HELD_OUT)
        places = np.linspace(0, len(works) - 1, n_held + 2).round().astype(int)[1:-1]
        held = {works[place] for place in places}
        said = f"{len(works) - n_held} works to learn from, {n_held} held out to judge by"
        return Split([p for p in pieces if p.work_id not in held], [p for p in pieces if p.work_id in held], said)
    training, held_out = [], []
    for piece in pieces:
        cut = piece.n_bars - piece.n_bars // _HELD_OUT if piece.n_bars >= MIN_BARS_TO_CUT else piece.n_bars
        training.append(bars_of(piece, 0, cut))
        if cut < piece.n_bars:
            held_out.append(bars_of(piece, cut, piece.n_bars))
    n_bars = sum(piece.n_bars for piece in held_out)
    if n_bars < MIN_HELD_OUT_BARS:
        return Split(list(pieces), [], "too little music to hold any out: nothing tells whether the style helps")
    return Split(training, held_out, f"few works: the last fifth of their bars ({n_bars} bars) is held out to judge by")


def bars_of(piece: TokenPiece, first: int, last: int) -> TokenPiece:
    """Return bars first … last−1 as a piece of their own."""
    views = {}
    for name, view in piece.views.items():
        ids = np.concatenate([view.head(first), view.cut(first, last)]).astype(np.int32)
        places = view.bars[first : last + 1] - view.bars[first] + _GIVEN
        views[name] = View(ids, places, view.tempos[first:last])
    return replace(piece, views=views, key_sharps=piece.key_sharps[first:last])


class PassageMaker:
    """Draw batches of passages: whole bars from anywhere in a piece, each read as if the piece began there.

    Plain passages in their own key, not the examples of training with their requests and transpositions: what is learnt
    is where such music begins.

    Args:
        pieces: to learn from.
        tokenizer: names the tokens.
        max_tokens: longest passage; a longer bar is cut.
        rows: passages in a batch.
        seed: a batch is a function of the seed and its number.

    """

    def __init__(
        self, pieces: Sequence[TokenPiece], tokenizer: PianoTokenizer, *, max_tokens: int, rows: int, seed: int
    ) -> None:
        self.views = [piece.views["full"] for piece in pieces]
        self.tokenizer, self.max_tokens, self.rows, self.seed = tokenizer, max_tokens, rows, seed

    def batches(self, first: int = 0) -> Iterator[Batch]:
        """Yield batches for ever, from number ``first`` on."""
        for number in count(first):
            rng = np.random.default_rng([self.seed, number])
            yield _collated([self._draw(rng) for _ in range(self.rows)], self.tokenizer)

    def _draw(self, rng: np.random.Generator) -> NDArray[np.int32]:
        view = self.views[rng.integers(len(self.views))]
        from_the_start = rng.random() < _FROM_THE_START
        bar = 0 if from_the_start else int(rng.integers(max(view.n_bars - _LAST_START, 1)))
        return np.concatenate([view.head(bar), view.cut(bar, view.n_bars)])[: self.max_tokens].astype(np.int32)


def passage_batches(
    pieces: Sequence[TokenPiece], tokenizer: PianoTokenizer, *, max_tokens: int, n_passages: int = 128, rows: int = 8
) -> list[Batch]:
    """Cut pieces into passages of whole bars to judge by; the same every time, sorted by length.

    Args:
        pieces: what is judged by.
        tokenizer: names the tokens.
        max_tokens: longest passage; a bar that is longer by itself is cut.
        n_passages: most passages, evenly spread over all there are.
        rows: passages in a batch.

    """
    passages = [passage for piece in pieces for passage in _passages(piece.views["full"], max_tokens)]
    spread = np.linspace(0, len(passages) - 1, min(n_passages, len(passages))).round().astype(int)
    chosen = sorted((passages[place] for place in spread), key=len)
    return [_collated(chosen[first : first + rows], tokenizer) for first in range(0, len(chosen), rows)]


def _collated(passages: list[NDArray[np.int32]], tokenizer: PianoTokenizer) -> Batch:
    begin = [tokenizer.vocabulary.id("BOS_None")]
    examples = [Example(np.concatenate([begin, passage]).astype(np.int32), 1) for passage in passages]
    batch = collate(examples, TargetMask(tokenizer.vocabulary))
    batch["target_ids"][:, :_GIVEN] = IGNORE
    return batch


def _passages(view: View, max_tokens: int) -> list[NDArray[np.int32]]:
    passages, first = [], 0
    while first < view.n_bars:
        last = int(np.searchsorted(view.bars, view.bars[first] + max_tokens - _GIVEN, side="right")) - 1
        last = min(max(last, first + 1), view.n_bars)
        passages.append(np.concatenate([view.head(first), view.cut(first, last)])[:max_tokens].astype(np.int32))
        first = last
    return passages
