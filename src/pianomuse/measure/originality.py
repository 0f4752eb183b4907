"""Originality: the longest stretch of notes that already stands in other music, in any key.

Music is read as a row of notes by onset and pitch; a step of it is the pair (interval in semitones, time since the note
before in grid units). Two stretches match if all their steps are equal, so transposition does not hide a copy, and a
change of one note, chord voicing or rhythm ends it. The number is in notes: a match of k steps is k + 1 notes.

The originality report of Yin, Reuben, Stepney & Collins 2021 ("A good algorithm does not steal – it imitates") scores
how many notes of a window of given length occur, transposed, in one place of the corpus. Ours asks for unbroken
agreement and gives its length; a copied tune over a new bass does not count.

Scales, Alberti basses and repeated chords match everywhere, so true continuations of works that were never seen match
too; read the number beside theirs.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from pianomuse.measure.passage import Passage

Hashes = NDArray[np.uint64]
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_MAX_TIME = 1 << 12


class MatchIndex:
    """All steps of a corpus, ready to be searched.

    Args:
        pieces: the music that may have been copied.

    """

    def __init__(self, pieces: Iterable[Passage]) -> None:
        rows = [_steps(piece) for piece in pieces]
        self._steps = np.concatenate([np.zeros(0, dtype=np.uint64), *rows])
        self._piece = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        self._sorted: dict[int, Hashes] = {}

    def longest_match(self, music: Passage) -> int:
        """Return the number of notes of the longest stretch of the music that stands in the corpus; 0 or at least 2."""
        steps = _steps(music)
        # A stretch contains its shorter ones, so lengths that match are 1 … longest. Doubling first keeps to few and
        # short lengths, which are the ones whose hashes are kept.
        low, high = 0, 1
        while high <= len(steps) and self._has_any(_windows(steps, high), high):
            low, high = high, 2 * high
        high = min(high - 1, len(steps))
        while low < high:
            middle = (low + high + 1) // 2
            if self._has_any(_windows(steps, middle), middle):
                low = middle
            else:
                high = middle - 1
        return low + 1 if low else 0

    def _has_any(self, wanted: Hashes, length: int) -> bool:
        if length > len(self._steps):
            return False
        if length not in self._sorted:
            inside = self._piece[length - 1 :] == self._piece[: len(self._piece) - length + 1]
            self._sorted[length] = np.unique(_windows(self._steps, length)[inside])
        known = self._sorted[length]
        if len(known) == 0:
            return False
        places = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        return bool((known[places] == wanted).any())


def step_windows(music: Passage, length: int) -> Hashes:
    """Return a hash of every run of so many steps of a passage that is not one note repeated: uint64 [n]."""
    runs, is_moving = step_runs(music, length)
    return runs[is_moving]


def step_runs(music: Passage, length: int) -> tuple[Hashes, NDArray[np.bool_]]:
    """Return a hash of every run of so many steps, and whether it has more than one pitch: uint64 and bool [n]."""
    steps = _steps(music)
    if len(steps) < length:
        return steps[:0], np.zeros(0, dtype=np.bool_)
    moves = np.convolve(np.diff(music.pitch) != 0, np.ones(length, dtype=np.int64), mode="valid")
    return _windows(steps, length), moves > 0


def step_kinds(music: Passage, length: int) -> NDArray[np.int64]:
    """Return how many different steps every run of so many has: int64 [n]."""
    steps = _steps(music)
    if len(steps) < length:
        return np.zeros(0, dtype=np.int64)
    rows = np.sort(np.lib.stride_tricks.sliding_window_view(steps, length), axis=1)
    return np.asarray(1 + (np.diff(rows, axis=1) != 0).sum(axis=1), dtype=np.int64)


def _steps(music: Passage) -> Hashes:
    """Return every step as one number: uint64 [n − 1]."""
    interval = (np.diff(music.pitch) + 128).astype(np.uint64)
    time = np.minimum(np.diff(music.onset), _MAX_TIME - 1).astype(np.uint64)
    return (interval * np.uint64(_MAX_TIME) + time + np.uint64(1)) * _MIX


def _windows(steps: Hashes, length: int) -> Hashes:
    """Return a hash of every run of `length` steps: uint64 [n − length + 1], by doubling."""
    result, done, block, size = np.zeros(len(steps) + 1, dtype=np.uint64), 0, _scramble(steps), 1
    remaining = length
    while remaining:
        if remaining & 1:
            n = len(steps) - done - size + 1
            result = _scramble(result[:n] * _FACTOR + block[done : done + n])
            done += size
        remaining >>= 1
        if remaining:
            block = _scramble(block[:-size] * _FACTOR + block[size:]) if len(block) > size else block[:0]
            size *= 2
    return result


def _scramble(values: Hashes) -> Hashes:
    mixed: Hashes = (values ^ (values >> np.uint64(31))) * _MIX
    return mixed ^ (mixed >> np.uint64(29))
