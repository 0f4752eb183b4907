"""Which work a stretch of notes is known from: a small index of the training corpus that ships with the model.

The steps of the corpus (`pianomuse.measure.originality`: interval and time, so in any key) are hashed in runs of
`RUN_STEPS`, and of every `WINDOW` runs in a row the one with the smallest hash is kept (winnowing; Schleimer, Wilkerson
& Aiken 2003). A stretch of RUN_STEPS + WINDOW − 1 steps that stands in the corpus cannot be missed then, and the index
stays small (3.4 MB for 3,415 works). A hash has 32 bits; one agreement by chance in some thousand runs is harmless,
since a stretch is only named if runs agree that reach over more than its limit.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from pianomuse.errors import CheckpointError
from pianomuse.measure.originality import step_kinds, step_runs
from pianomuse.measure.passage import Passage
from pianomuse.reading import read_bounded

RUN_STEPS = 11
WINDOW = 5
MOST_WORKS = 6
FEWEST_KINDS = 5  # different steps in a run
LIMIT_NOTES = 16
"""Stretches longer than this are named; see the module on which of them cannot be missed."""

_FORMAT = 1
_MAX_FILE_BYTES = 256 * 2**20
_NO_WORK = np.uint16(0xFFFF)  # a step on the way to a hash farther than a difference can say
_FARTHEST = 0xFFFF

Shorts = NDArray[np.uint16]
Words = NDArray[np.uint32]


@dataclass(frozen=True)
class KnownStretch:
    """Notes in a row that stand in a work, perhaps in another key.

    Args:
        work: its name, such as ``Chopin, Fryderyk: Op. 4 Sonata``.
        n_notes: how many at least; up to 2 · (WINDOW − 1) more may agree.
        first_note: index of the first of them, by onset and pitch.

    """

    work: str
    n_notes: int
    first_note: int


class KnownWorks:
    """The index.

    Args:
        hashes: uint32 [n], ascending.
        works: uint16 [n], the work of each.
        names: of the works.

    """

    def __init__(self, hashes: Words, works: Shorts, names: Sequence[str]) -> None:
        self.hashes, self.works, self.names = hashes, works, list(names)

    def find(self, music: Passage, *, limit_notes: int = LIMIT_NOTES) -> KnownStretch | None:
        """Return the longest stretch of more than so many notes that stands in one work, or None."""
        runs, places = _runs(music)
        first = np.searchsorted(self.hashes, runs, side="left")
        last = np.searchsorted(self.hashes, runs, side="right")
        reach: dict[int, tuple[int, int]] = {}  # work: where the stretch that still goes on began, and its last run
        best: KnownStretch | None = None
        for place, low, high in zip(places.tolist(), first.tolist(), last.tolist(), strict=True):
            for work in {int(work) for work in self.works[low:high]}:
                begin, latest = reach.get(work, (place, place))
                if place - latest > WINDOW:
                    begin = place
                reach[work] = (begin, place)
                n_notes = place - begin + RUN_STEPS + 1
                if n_notes > max(limit_notes, best.n_notes if best else 0):
                    best = KnownStretch(self.names[work], n_notes, begin)
        return best


def index_works(pieces: Iterable[tuple[str, Passage]]) -> KnownWorks:
    """Build the index.

    Args:
        pieces: name of the work and music of every piece; pieces of one name are one work.

    Raises:
        ValueError: more works than a work's number can tell apart.

    """
    numbers: dict[str, int] = {}
    rows = []
    for name, music in pieces:
        work = numbers.setdefault(name, len(numbers))
        runs, places = _runs(music)
        chosen = np.unique(_winnow(runs, places)).astype(np.uint64)
        rows.append(chosen << np.uint64(16) | np.uint64(work))
    if len(numbers) >= _NO_WORK:
        raise ValueError(f"{len(numbers)} works; the index can hold {_NO_WORK - 1}")
    entries = np.unique(np.concatenate([np.zeros(0, dtype=np.uint64), *rows]))
    hashes, works = (entries >> np.uint64(16)).astype(np.uint32), (entries & np.uint64(0xFFFF)).astype(np.uint16)
    _, which, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    is_somebodys = counts[which] <= MOST_WORKS
    return KnownWorks(hashes[is_somebodys], works[is_somebodys], list(numbers))


def known_works_bytes(index: KnownWorks) -> bytes:
    """Return the index as a file: differences of the hashes, which are nearly even, and the works."""
    differences, works = _differences(index.hashes, index.works)
    header = {"format": _FORMAT, "run_steps": RUN_STEPS, "window": WINDOW, "names": index.names}
    text = np.frombuffer(json.dumps(header, ensure_ascii=False).encode(), dtype=np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, header=text, differences=differences, works=works)
    return buffer.getvalue()


def load_known_works(path: str | Path) -> KnownWorks:
    """Read an index.

    Raises:
        CheckpointError: it is damaged, or of another version.

    """
    try:
        with np.load(io.BytesIO(read_bounded(Path(path), _MAX_FILE_BYTES)), allow_pickle=False) as file:
            header: Mapping[str, object] = json.loads(bytes(file["header"]))
            differences, works = file["differences"], file["works"]
        names = header["names"]
        is_ours = (header["format"], header["run_steps"], header["window"]) == (_FORMAT, RUN_STEPS, WINDOW)
        if not (is_ours and isinstance(names, list)):
            raise CheckpointError(f"{path}: an index of another version; install this version's weights again")
        if (differences.dtype, works.dtype) != (np.uint16, np.uint16):
            raise ValueError("its parts are no numbers of 16 bits")
        hashes = np.cumsum(differences, dtype=np.uint64)
        is_real = works != _NO_WORK
        if len(hashes) != len(works) or (works[is_real] >= len(names)).any():
            raise ValueError("its parts do not fit")
    except (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, zlib.error, BadZipFile) as error:
        raise CheckpointError(f"{path} is no index of known works ({error}); install PianoMuse again") from error
    return KnownWorks(hashes[is_real].astype(np.uint32), works[is_real], [str(name) for name in names])


def _runs(music: Passage) -> tuple[Words, NDArray[np.int64]]:
    """Return the hash of every run that is somebody's, as far as one can see it, and the index of its first note."""
    runs, _ = step_runs(music, RUN_STEPS)
    is_rich = step_kinds(music, RUN_STEPS) >= FEWEST_KINDS
    return (runs[is_rich] >> np.uint64(32)).astype(np.uint32), np.flatnonzero(is_rich)


def _winnow(runs: Words, places: NDArray[np.int64]) -> Words:
    """Return the smallest of every `WINDOW` runs in a row; where runs are fewer, the smallest of those."""
    if len(runs) == 0:
        return runs
    whole = np.full(int(places[-1]) + 1, np.iinfo(np.uint32).max, dtype=np.uint32)
    whole[places] = runs
    width = min(WINDOW, len(whole))
    smallest = np.lib.stride_tricks.sliding_window_view(whole, width).min(axis=1)
    return np.intersect1d(smallest, runs)


def _differences(hashes: Words, works: Shorts) -> tuple[Shorts, Shorts]:
    """Return uint16 steps from hash to hash; where one is too far, entries without a work stand between."""
    steps = np.diff(hashes.astype(np.int64), prepend=0)
    extra = steps // (_FARTHEST + 1)
    ends = np.cumsum(extra + 1) - 1
    differences = np.full(int(ends[-1]) + 1 if len(ends) else 0, _FARTHEST, dtype=np.int64)
    owners = np.full(len(differences), _NO_WORK, dtype=np.uint16)
    differences[ends] = steps - extra * _FARTHEST
    owners[ends] = works
    return differences.astype(np.uint16), owners
