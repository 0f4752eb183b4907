"""Find files that are versions of one work, so that a split never has one on both sides.

Two files count as one work when a third of the shorter one's melodic turns occur in the other: a turn is a run of
twelve intervals of the top line, so transposition and tempo do not matter. Names play no part.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_TURN = 12
_SHARED = 1 / 3
# A turn that occurs in this many files is a scale or an Alberti bass, not a theme.
_COMMON = 20


def turns(onset: NDArray[np.int64], pitch: NDArray[np.int64]) -> frozenset[int]:
    """Return the melodic turns of a piece: hashes of every twelve successive intervals of its top line."""
    order = np.lexsort((-pitch, onset))
    onset, pitch = onset[order], pitch[order]
    top = np.ones(len(onset), dtype=bool)
    top[1:] = onset[1:] != onset[:-1]
    intervals = np.diff(pitch[top]).astype(np.int8)
    windows = np.lib.stride_tricks.sliding_window_view(intervals, _TURN) if len(intervals) >= _TURN else ()
    return frozenset(
        int.from_bytes(hashlib.blake2b(window.tobytes(), digest_size=8).digest(), "big")
        for window in windows
        if np.any(window != 0)
    )


def group_works(pieces: Sequence[frozenset[int]]) -> list[int]:
    """Return a work number for each piece; pieces with the same number share a work.

    >>> group_works([frozenset({1, 2, 3}), frozenset({2, 3, 9}), frozenset({7})])
    [0, 0, 2]
    """
    holders: dict[int, list[int]] = defaultdict(list)
    for index, found in enumerate(pieces):
        for turn in found:
            holders[turn].append(index)
    shared: dict[tuple[int, int], int] = defaultdict(int)
    for indices in holders.values():
        if 2 <= len(indices) <= _COMMON:
            for place, first in enumerate(indices):
                for second in indices[place + 1 :]:
                    shared[first, second] += 1
    parent = list(range(len(pieces)))
    for (first, second), count in shared.items():
        if count >= _SHARED * min(len(pieces[first]), len(pieces[second])):
            low, high = sorted((_root(parent, first), _root(parent, second)))
            parent[high] = low
    return [_root(parent, index) for index in range(len(pieces))]


def draw_split(work_id: str, valid_share: float) -> str:
    """Return ``valid`` for about this share of works, else ``train``; always the same for the same work."""
    number = int.from_bytes(hashlib.blake2b(work_id.encode(errors="surrogateescape"), digest_size=8).digest(), "big")
    return "valid" if number / 2**64 < valid_share else "train"


def _root(parent: list[int], index: int) -> int:
    while parent[index] != index:
        parent[index] = parent[parent[index]]
        index = parent[index]
    return index
