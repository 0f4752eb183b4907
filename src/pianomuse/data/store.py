"""A prepared dataset on disk: pieces as Arrow (memory-mapped), a header beside them.

DATASET/
  header.json    format version, vocabulary fingerprint, window settings, counts, what was dropped and why
  tokenizer.json the vocabulary
  train/ valid/  Arrow (Hugging Face datasets), one row a piece
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pianomuse.data.checked import features, open_split
from pianomuse.data.pieces import VIEWS, TokenPiece, make_view
from pianomuse.errors import DatasetError, StorageError
from pianomuse.reading import read_bounded
from pianomuse.tokens.tokenizer import PianoTokenizer
from pianomuse.tokens.vocabulary import require_same

FORMAT = 1
MAX_WINDOW_BARS = 10_000
_MAX_HEADER_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Header:
    """What a prepared dataset says of itself."""

    vocabulary: str
    context_bars: int
    completion_bars: int
    step: int
    files: int
    dropped: dict[str, int]
    pieces: dict[str, int]
    bars: dict[str, int]
    notes: dict[str, int]
    tokens: dict[str, int]
    format: int = FORMAT


def write_pieces(
    folder: Path, pieces: Mapping[str, Iterable[TokenPiece]], header: Header, tokenizer: PianoTokenizer
) -> None:
    """Write a dataset folder; it appears whole or not at all.

    Args:
        folder: must not exist yet.
        pieces: pieces of each split.
        header: goes beside them.
        tokenizer: its vocabulary is saved with the data.

    Raises:
        StorageError: the disk is full, or the folder cannot be written.

    """
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    aside = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)  # what a crash left
    try:
        aside.mkdir(parents=True)
        for split, members in pieces.items():
            rows = [_row(piece) for piece in members]
            columns = {key: [row[key] for row in rows] for key in features()}
            Dataset.from_dict(columns, features=features()).save_to_disk(str(aside / split))
        (aside / "header.json").write_text(json.dumps(asdict(header), indent=2), encoding="utf-8")
        tokenizer.save(aside / "tokenizer.json")
        aside.rename(folder)
    except OSError as error:
        raise StorageError(
            f"{folder} cannot be written ({error.strerror or error}): make room, or choose another --out"
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


class PieceStore:
    """Read the pieces of one split of a prepared dataset, from disk as they are asked for."""

    def __init__(self, folder: str | Path, split: str) -> None:
        self.folder = Path(folder)
        self.header = read_header(self.folder)
        self.tokenizer = PianoTokenizer()
        require_same(self.header.vocabulary, self.tokenizer.vocabulary.fingerprint, f"the dataset {self.folder}")
        self._rows = open_split(self.folder / split, self.header.pieces.get(split, 0), self.tokenizer.vocabulary)

    def __len__(self) -> int:
        """Return the number of pieces."""
        return len(self._rows)

    def __getitem__(self, index: int) -> TokenPiece:
        """Return a piece."""
        row = self._rows[index]
        views = {
            view: make_view(np.asarray(row[view], dtype=np.int32), self.tokenizer) for view in VIEWS if len(row[view])
        }
        return TokenPiece(
            row["name"],
            row["work_id"],
            views,
            np.asarray(row["key_sharps"], dtype=np.int8),
            is_expressive=row["is_expressive"],
            has_voice=row["has_voice"],
        )

    def __iter__(self) -> Iterator[TokenPiece]:
        """Go through all pieces."""
        return (self[index] for index in range(len(self)))

    def lengths(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the number of tokens of each piece: int64 [n]."""
        return np.asarray(self._rows["n_tokens"], dtype=np.int64)

    def n_bars(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the number of bars of each piece: int64 [n]."""
        from pyarrow import compute

        return np.asarray(compute.list_value_length(self._rows.data.column("key_sharps")), dtype=np.int64)

    def names(self) -> list[str]:
        """Return the names of the pieces."""
        return list(self._rows["name"])


def read_header(folder: str | Path) -> Header:
    """Read what a dataset says of itself.

    Raises:
        DatasetError: no dataset, damaged, or another format version.

    """
    path = Path(folder) / "header.json"
    try:
        document = json.loads(read_bounded(path, _MAX_HEADER_BYTES))
        version = document["format"]
        if version != FORMAT or isinstance(version, bool):
            raise DatasetError(
                f"{folder}: dataset format {version}, this version reads {FORMAT}; run `pianomuse prepare` again"
            )
        header = Header(**document)
        if wrong := [name for name, value in document.items() if not _is_in_order(name, value)]:
            raise ValueError(f"{wrong[0]}: {str(document[wrong[0]])[:60]}")
        return header
    except (FileNotFoundError, NotADirectoryError):
        raise DatasetError(
            f"{folder} is no prepared dataset (no header.json); make one with "
            f"`pianomuse prepare MIDI_DIR --out {folder}`"
        ) from None
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(f"{path} is damaged ({reason}); run `pianomuse prepare` again") from None


def _is_in_order(name: str, value: object) -> bool:
    """Say whether an entry of the header is what `prepare` may have written."""
    if name == "vocabulary":
        return isinstance(value, str)
    if name in ("context_bars", "completion_bars", "step"):
        return type(value) is int and 1 <= value <= MAX_WINDOW_BARS
    if name in ("format", "files"):
        return type(value) is int and value >= 0
    return isinstance(value, dict) and all(type(count) is int and count >= 0 for count in value.values())


def data_fingerprint(folder: str | Path) -> str:
    """Return sixteen hex digits that change with any piece, split or window setting of a dataset; 1 s for 1 GB."""
    parts = [Path(folder) / "header.json", *sorted(Path(folder).glob("*/*.arrow"))]
    digest = hashlib.sha256()
    for path in parts:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _row(piece: TokenPiece) -> dict[str, Any]:
    empty = np.zeros(0, dtype=np.uint16)
    views = {view: piece.views[view].ids.astype(np.uint16) if view in piece.views else empty for view in VIEWS}
    return {
        "name": _as_text(piece.name),
        "work_id": _as_text(piece.work_id),
        "is_expressive": piece.is_expressive,
        "has_voice": piece.has_voice,
        "n_tokens": len(views["full"]),
        "key_sharps": piece.key_sharps,
        **views,
    }


def _as_text(name: str) -> str:
    r"""Spell the bytes of a file name that is no text.

    >>> print(_as_text("caf\udce9.mid"))
    caf\xe9.mid
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
