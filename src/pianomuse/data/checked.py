"""Open one split of a prepared dataset, and find what is wrong with it before anything is computed from it.

Arrow follows the offsets that stand in the files into memory: a damaged shard is a crash unless they are checked first.
After that, every row has to be a piece: tokens of the vocabulary, each of a kind that may follow the one before, and
the same number of bars in every view. 0.04 s for a million tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pianomuse.data.pieces import VIEWS
from pianomuse.errors import DatasetError
from pianomuse.tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    from datasets import Dataset

_SHARD = re.compile(r"data-(\d{5})-of-(\d{5})\.arrow")
_BLOCK_TOKENS = 2**21
_EVENTS = ("Pitch", "Pedal", "PedalOff")
_NEXT_IN_BAR = ("Position", "Bar")
_FOLLOWS = {  # kind: what may follow it, `Grammar` without its numbers
    "Bar": ("TimeSig",),
    "TimeSig": ("Tempo", *_NEXT_IN_BAR),
    "Tempo": (*_EVENTS, *_NEXT_IN_BAR),
    "Position": ("Tempo", *_EVENTS),
    "PedalOff": (*_EVENTS, *_NEXT_IN_BAR),
    "Pedal": (*_EVENTS, *_NEXT_IN_BAR),
    "Pitch": ("Velocity",),
    "Velocity": ("Duration",),
    "Duration": ("Pitch", *_NEXT_IN_BAR),
}
_MAY_END = ("TimeSig", "Tempo", "PedalOff", "Pedal", "Duration")
_HEAD = ("TimeSig", "Tempo", "Bar")


def open_split(folder: Path, n_pieces: int, vocabulary: Vocabulary) -> Dataset:
    """Map a split into memory.

    Args:
        folder: of the split.
        n_pieces: that the header promises.
        vocabulary: of the tokens.

    Raises:
        DatasetError: a shard is missing or damaged, or rows are no pieces.

    """
    from datasets import Dataset, concatenate_datasets
    from datasets.exceptions import DatasetGenerationError

    try:
        if n_pieces == 0 and folder.is_dir():  # of no rows no file is written
            return Dataset.from_dict({name: [] for name in features()}, features=features())
        rows = concatenate_datasets([_shard(path) for path in _shards(folder)])
        found = _fault(rows, n_pieces, vocabulary)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, DatasetGenerationError) as error:
        found = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
    if found:
        raise DatasetError(f"{folder} cannot be read ({found}); run `pianomuse prepare` again")
    return rows


def features() -> Any:
    """Return the columns of a split."""
    from datasets import Features, Sequence, Value

    return Features(
        {
            "name": Value("string"),
            "work_id": Value("string"),
            "is_expressive": Value("bool"),
            "has_voice": Value("bool"),
            "n_tokens": Value("int64"),
            "key_sharps": Sequence(Value("int8")),
            **{view: Sequence(Value("uint16")) for view in VIEWS},
        }
    )


def _shards(folder: Path) -> list[Path]:
    """Return the files of a split in order."""
    found = sorted((path, match) for path in folder.iterdir() if (match := _SHARD.fullmatch(path.name)))
    if not found or [(int(match[1]), int(match[2])) for _, match in found] != [
        (i, len(found)) for i in range(len(found))
    ]:
        raise ValueError(f"of its files data-N-of-N.arrow some are missing: {len(found)} are there")
    for path, _ in found:
        if not path.is_file():
            raise ValueError(f"{path.name} is no file")
    return [path for path, _ in found]


def _shard(path: Path) -> Dataset:
    from datasets import Dataset

    rows = Dataset.from_file(str(path))
    rows.data.table.validate(full=True)
    return rows


def _fault(rows: Dataset, n_pieces: int, vocabulary: Vocabulary) -> str:
    """Say what is wrong with the rows; nothing if nothing is."""
    from pyarrow import compute

    if rows.features != features():
        return "it has other columns than a dataset of this version"
    if len(rows) != n_pieces:
        return f"{len(rows)} pieces where the header says {n_pieces}"
    table = rows.data.table
    if any(table.column(name).null_count for name in table.column_names):
        return "a piece has an entry without a value"
    if len(rows) and not compute.all(compute.not_equal(table.column("name"), "")).as_py():
        return "a piece has no name"
    n_bars = compute.list_value_length(table.column("key_sharps")).to_numpy().astype(np.int64)
    if not np.array_equal(compute.list_value_length(table.column("full")), table.column("n_tokens")):
        return "a piece has another number of tokens than it says"
    for view in VIEWS:
        for first, lengths, ids in _blocks(table.column(view)):
            is_there = lengths > 0
            if view == "full" and not is_there.all():
                return f"piece {first + int(np.argmin(is_there))} is empty"
            bars = n_bars[first : first + len(lengths)]
            if fault := _fault_of(ids, lengths[is_there], bars[is_there], vocabulary):
                return f"{fault} in the view {view} of one of the pieces {first} to {first + len(lengths) - 1}"
    return ""


def _blocks(column: Any) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.uint16]]]:
    """Cut a column of lists into parts: the number of the first row, lengths int64 [n], values uint16 [sum]."""
    first = 0
    for chunk in column.chunks:
        offsets = np.asarray(chunk.offsets, dtype=np.int64)
        values = np.asarray(chunk.values)
        begin = 0
        while begin < len(chunk):
            end = max(int(np.searchsorted(offsets, offsets[begin] + _BLOCK_TOKENS, side="right")) - 1, begin + 1)
            yield first + begin, np.diff(offsets[begin : end + 1]), values[offsets[begin] : offsets[end]]
            begin = end
        first += len(chunk)


def _fault_of(
    ids: NDArray[np.uint16], lengths: NDArray[np.int64], n_bars: NDArray[np.int64], vocabulary: Vocabulary
) -> str:
    """Say what is wrong with views that lie one behind another."""
    if len(ids) == 0:
        return ""
    if int(ids.max()) >= len(vocabulary):
        return f"a token {int(ids.max())} that no vocabulary has"
    names = sorted({str(kind) for kind in vocabulary.kinds})
    number = {name: index for index, name in enumerate(names)}
    kinds = np.array([number[str(kind)] for kind in vocabulary.kinds], dtype=np.uint8)[ids]
    ends = np.cumsum(lengths)
    starts = ends - lengths
    may_follow = np.zeros((len(names), len(names)), dtype=bool)
    for name, nexts in _FOLLOWS.items():
        may_follow[number[name], [number[after] for after in nexts]] = True
    follows = may_follow[kinds[:-1], kinds[1:]]
    follows[starts[1:] - 1] = True
    may_end = np.isin(kinds[ends - 1], [number[name] for name in _MAY_END])
    begins = (lengths >= len(_HEAD) + 1) & _is_head(kinds, starts, [number[name] for name in _HEAD])
    if not (follows.all() and may_end.all() and begins.all()):
        return "tokens in an order that no music has"
    found = np.add.reduceat((kinds == number["Bar"]).astype(np.int64), starts)
    return "" if np.array_equal(found, n_bars) else "another number of bars than keys"


def _is_head(kinds: NDArray[np.uint8], starts: NDArray[np.int64], head: list[int]) -> NDArray[np.bool_]:
    places = np.minimum(starts[:, None] + np.arange(len(head)), len(kinds) - 1)
    found: NDArray[np.bool_] = (kinds[places] == head).all(axis=1)
    return found
