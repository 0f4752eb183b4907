"""Near-duplicates between training and validation: is any validation piece partly in the training pieces?

Two ways of looking, both blind to transposition:

    melody   runs of twelve intervals of the top line, of the whole and of the melody where it is known; rhythm, metre
             and tempo do not count, so an arrangement or another notation of a tune is found
    onsets   runs of sixteen steps through all notes by onset and pitch (interval, time since the note before), so a
             copy of the texture is found

A share is the number of different runs that a validation piece and a training piece have in common, as part of those
of the one that has fewer (a short dance inside a medley counts), of twelve at least. Runs of one repeated note
say nothing and are left out, and so are runs that twenty or more training pieces have: scales, Alberti basses. A third
is what makes two files one work when a folder is split (pianomuse.data.works); smaller shares are a passage in common,
a quotation or a formula, and are for a person to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pianomuse.data.pieces import TokenPiece
from pianomuse.data.works import turns
from pianomuse.measure.originality import MatchIndex, step_windows
from pianomuse.measure.passage import Passage, passage_of_ids
from pianomuse.tokens.vocabulary import Vocabulary

LENGTHS = {"melody": 12, "onsets": 16}
SAME_WORK = 1 / 3
_COMMON = 20
_FEWEST_RUNS = 12

Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Pair:
    """A validation piece and the training piece that it shares most with.

    Args:
        valid: name of the validation piece.
        train: name of the training piece.
        melody: share of melodic runs, 0 … 1.
        onsets: share of runs through all notes, 0 … 1.
        longest_notes: longest stretch of all notes in common, in notes.

    """

    valid: str
    train: str
    melody: float
    onsets: float
    longest_notes: int

    @property
    def is_one_work(self) -> bool:
        """Whether so much is shared that the two are versions of one work."""
        return max(self.melody, self.onsets) >= SAME_WORK


def find_duplicates(
    valid: Sequence[TokenPiece],
    train: Sequence[TokenPiece],
    vocabulary: Vocabulary,
    *,
    least: float = 0.1,
    progress: Callable[[], None] | None = None,
) -> list[Pair]:
    """Return pairs that share at least this much, most first.

    Args:
        valid: validation pieces.
        train: training pieces.
        vocabulary: of both.
        least: smallest share that is told, of either kind.
        progress: called after each piece.

    """
    shares: dict[tuple[int, int], dict[str, float]] = {}
    for kind in LENGTHS:
        mine = [_runs(piece, kind, vocabulary) for piece in _counted(valid, progress)]
        theirs = [_runs(piece, kind, vocabulary) for piece in _counted(train, progress)]
        for pair, share in _shares(mine, theirs):
            shares.setdefault(pair, {})[kind] = share
    found = []
    for (first, second), of_kind in shares.items():
        if max(of_kind.values()) >= least:
            index = MatchIndex([_music(train[second], vocabulary)])
            longest = index.longest_match(_music(valid[first], vocabulary))
            names = valid[first].name, train[second].name
            found.append(Pair(*names, of_kind.get("melody", 0.0), of_kind.get("onsets", 0.0), longest))
    return sorted(found, key=lambda pair: -max(pair.melody, pair.onsets))


def _counted(pieces: Sequence[TokenPiece], progress: Callable[[], None] | None) -> Iterator[TokenPiece]:
    for piece in pieces:
        yield piece
        if progress is not None:
            progress()


def _music(piece: TokenPiece, vocabulary: Vocabulary) -> Passage:
    return passage_of_ids(piece.views["full"].ids, vocabulary)


def _runs(piece: TokenPiece, kind: str, vocabulary: Vocabulary) -> Hashes:
    """Return the different runs of a piece, uint64, ascending."""
    if kind == "onsets":
        return np.unique(step_windows(_music(piece, vocabulary), LENGTHS[kind]))
    found: set[int] = set()
    for view in ("full", "melody"):
        if view in piece.views:
            music = passage_of_ids(piece.views[view].ids, vocabulary)
            found |= turns(*music.top_line())
    return np.array(sorted(found), dtype=np.uint64)


def _shares(mine: Iterable[Hashes], theirs: Sequence[Hashes]) -> Iterator[tuple[tuple[int, int], float]]:
    """Yield (validation, training) and the share of runs they have in common."""
    runs = np.concatenate([np.zeros(0, np.uint64), *theirs])
    owners = np.repeat(np.arange(len(theirs)), [len(own) for own in theirs])
    order = np.argsort(runs, kind="stable")
    runs, owners = runs[order], owners[order]
    for index, run in enumerate(mine):
        begin, end = np.searchsorted(runs, run, side="left"), np.searchsorted(runs, run, side="right")
        rare = end - begin < _COMMON
        if not rare.any():
            continue
        holders = [owners[b:e] for b, e in zip(begin[rare], end[rare], strict=True)]
        counts = np.bincount(np.concatenate(holders), minlength=len(theirs))
        for other in np.flatnonzero(counts).tolist():
            smaller = max(min(int(rare.sum()), len(theirs[other])), _FEWEST_RUNS)
            yield (index, other), float(counts[other] / smaller)
