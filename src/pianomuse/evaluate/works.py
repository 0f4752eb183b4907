"""The works a model is judged on: the validation split of a folder with a manifest or of a prepared dataset."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pianomuse.data.manifest import manifest_rows
from pianomuse.data.pieces import TokenPiece, tokenise_piece
from pianomuse.data.prepare import most_common, reason_left_out
from pianomuse.data.works import group_works, turns
from pianomuse.errors import DatasetError, MidiError
from pianomuse.measure.passage import Passage, passage_of_ids
from pianomuse.midi.read import Piece, read_midi
from pianomuse.midi.write import score_bytes
from pianomuse.tokens.notes import read_notes
from pianomuse.tokens.tokenizer import PianoTokenizer

_TOKENIZER = PianoTokenizer()
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Work:
    """One piece to be judged on.

    Args:
        name: its path inside the folder.
        work_id: intervals are drawn over works; versions of one share this.
        source: the sub-folder it is from, empty at the top.
        ids: int32 [T], ``TimeSig Tempo Bar …``.
        data: the MIDI file.
        prepared: its parts, where a dataset has them.

    """

    name: str
    work_id: str
    source: str
    ids: NDArray[np.int32]
    data: bytes
    prepared: TokenPiece | None = None

    @cached_property
    def piece(self) -> Piece:
        """The file as a composer would hand it in."""
        return read_midi(self.data)

    @cached_property
    def music(self) -> Passage:
        """All its bars."""
        return passage_of_ids(self.ids, _TOKENIZER.vocabulary)

    @cached_property
    def parts(self) -> TokenPiece:
        """The same bars seen whole, by hand and as melody."""
        if self.prepared is not None:
            return self.prepared
        return tokenise_piece(self.piece, _TOKENIZER, name=self.name, work_id=self.work_id)[0]

    def view(self, name: str) -> Work | None:
        """Return one hand (``left``, ``right``) or the ``melody`` as a work of its own; None where there is none."""
        view = self.parts.views.get(name)
        if view is None:
            return None
        return Work(self.name, self.work_id, self.source, view.ids, score_bytes(_TOKENIZER.decode(view.ids)))


@dataclass(frozen=True)
class WorkSet:
    """What is judged on, and what was left out.

    Args:
        works: in the order of their names.
        split: ``valid``, or ``all`` where nothing says which files a model has not seen.
        dropped: number of files left out, by reason.

    """

    works: tuple[Work, ...]
    split: str
    dropped: dict[str, int]


def load_works(folder: str | Path, *, n_pieces: int | None = None, exclude: tuple[str, ...] = ()) -> WorkSet:
    """Read the works of a MIDI folder or of a prepared dataset.

    Of a folder with a ``manifest.csv`` (columns path, split, work_id) the rows of split ``valid`` are taken; of a
    folder without one all files.

    Args:
        folder: MIDI folder or dataset.
        n_pieces: so many, evenly spread over the folder; default: all.
        exclude: sub-folders (first path component) to leave out.

    Raises:
        DatasetError: no such folder, or nothing in it can be used.

    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder; give a folder of MIDI files or a prepared dataset")
    if n_pieces is not None and n_pieces < 1:
        raise DatasetError(f"--pieces {n_pieces}: choose 1 or more")
    if (folder / "header.json").is_file():
        return _from_dataset(folder, n_pieces, exclude)
    return _from_files(folder, n_pieces, exclude)


def _from_files(folder: Path, n_pieces: int | None, exclude: tuple[str, ...]) -> WorkSet:
    rows, split = _rows(folder)
    wanted = [row for row in rows if Path(row[0]).parts[0] not in exclude]
    dropped: Counter[str] = Counter()
    if len(wanted) < len(rows):
        dropped["in an excluded folder"] = len(rows) - len(wanted)
    works = []
    for name, work_id in _spread(wanted, n_pieces):
        try:
            data = (folder / name).read_bytes()
            works.append(Work(name, work_id, _source(name), _TOKENIZER.tokenize_midi(folder / name), data))
        except (MidiError, OSError) as error:
            dropped[reason_left_out(error, name)] += 1
    if not works:
        why = f" ({most_common(dropped)})" if dropped else ""
        raise DatasetError(
            f"{folder} has no MIDI file that can be judged on{why}; give another folder, or fewer --exclude"
        )
    if split == "all":
        works = _grouped(works)
    return WorkSet(tuple(works), split, dict(dropped))


def _rows(folder: Path) -> tuple[list[tuple[str, str]], str]:
    """Return (name, work id) of the files to judge on, and which split they are."""
    rows = manifest_rows(folder, ("path", "split"))
    found = [(row["path"], row.get("work_id") or row["path"]) for row in rows if row["split"] == "valid"]
    if found:
        return sorted(found), "valid"
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".mid", ".midi"))
    return [(p.relative_to(folder).as_posix(), p.relative_to(folder).as_posix()) for p in paths], "all"


def _grouped(works: list[Work]) -> list[Work]:
    """Give files that are versions of one work one work id."""
    found = []
    for work in works:
        notes = read_notes(work.ids, _TOKENIZER.vocabulary)
        found.append(turns(notes.onset, notes.pitch))
    numbers = group_works(found)
    return [
        Work(work.name, works[number].name, work.source, work.ids, work.data)
        for work, number in zip(works, numbers, strict=True)
    ]


def _from_dataset(folder: Path, n_pieces: int | None, exclude: tuple[str, ...]) -> WorkSet:
    from pianomuse.data.store import PieceStore

    store = PieceStore(folder, "valid")
    indices = [i for i, name in enumerate(store.names()) if Path(name).parts[0] not in exclude]
    dropped = {"in an excluded folder": len(store) - len(indices)} if len(indices) < len(store) else {}
    works = []
    for index in _spread(indices, n_pieces):
        piece = store[index]
        ids = piece.views["full"].ids
        data = score_bytes(_TOKENIZER.decode(ids))
        works.append(Work(piece.name, piece.work_id, _source(piece.name), ids, data, piece))
    if not works:
        raise DatasetError(f"{folder} has no validation pieces; prepare a folder with more works, or judge MIDI files")
    return WorkSet(tuple(works), "valid", dropped)


def _spread(rows: list[T], n: int | None) -> list[T]:
    if n is None or n >= len(rows):
        return rows
    return [rows[place] for place in np.linspace(0, len(rows) - 1, n).round().astype(int)]


def _source(name: str) -> str:
    parts = Path(name).parts
    return parts[0] if len(parts) > 1 else ""
