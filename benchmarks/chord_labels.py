"""Are chord labels worth having as a condition? Two short runs over the songs, one told the chords and one not.

    python benchmarks/chord_labels.py DATASET CHORDS OUT [--steps 200]

CHORDS has a `NNN.csv` for each of POP909's songs: bar, beat, chord. A label is told where its chord begins, and again
at every bar line, by the Key token of its root with its third (minor or not): these are transposed with the notes, and
the model is not asked to predict them. Both runs are judged on the same bars of validation songs, by bits per note of
the tokens that both have; the interval of the difference is by bootstrap over works. The last line is a JSON document.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from controlled_runs import MAX_TOKENS, bits, compared, speed, train
from numpy.typing import NDArray

from pianomuse.api import load
from pianomuse.data import checked
from pianomuse.data.batches import IGNORE
from pianomuse.data.pieces import TokenPiece, View, make_view
from pianomuse.data.store import PieceStore, write_pieces
from pianomuse.generate.harmony import parse_key
from pianomuse.tokens.notes import key_token
from pianomuse.tokens.prompt import PromptWriter
from pianomuse.tokens.vocabulary import GRID, Vocabulary

WITHOUT, WITH = "without chord labels", "with chord labels"
# A dataset with a Key inside a bar is refused when it is opened, as no music of ours has one; here it may pass.
_UNCHECKED = (
    "from pianomuse.data import checked; checked._fault_of = lambda *_: ''; from pianomuse.cli import main; main()"
)

Chords = dict[int, list[tuple[float, str]]]
"""By bar from 0: the quarter (from 0) where a chord begins, and its Key token."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("chords", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    datasets = {WITHOUT: options.out / "songs", WITH: options.out / "songs-with-chords"}
    write(options.dataset, options.chords, datasets)
    checked._fault_of = lambda *_: ""
    stores = {name: PieceStore(dataset, "valid") for name, dataset in datasets.items()}
    judged = {name: list(examples(stores[name], stores[WITH])) for name in stores}
    rows, results = {}, {}
    for name, dataset in datasets.items():
        run = options.out / name.replace(" ", "-")
        if not (run / "finished").exists():
            train(dataset, run, options.steps, ("folder_weights=",), ("-c", _UNCHECKED))
        rows[name] = np.array([bits(load(run / "best").engine, ids, targets) for _, ids, targets in judged[name]])
        results[name] = compared(rows, name, judged[name]) | {"tokens_per_s": speed(run)}
    print(json.dumps({"steps": options.steps, "songs": len(judged[WITH]), **results}))


def write(dataset: Path, chords: Path, out: dict[str, Path]) -> None:
    """Write the songs of a dataset as they are, and with their chords told."""
    if all(folder.exists() for folder in out.values()):
        return
    stores = {split: PieceStore(dataset, split) for split in ("train", "valid")}
    store = stores["train"]
    songs = {split: [piece for piece in pieces if _csv(piece, chords).exists()] for split, pieces in stores.items()}
    header = replace(store.header, pieces={split: len(pieces) for split, pieces in songs.items()})
    write_pieces(out[WITHOUT], songs, header, store.tokenizer)

    def told(piece: TokenPiece) -> TokenPiece:
        labels = read_chords(_csv(piece, chords))
        views = {name: with_chords(view, labels, store.tokenizer.vocabulary) for name, view in piece.views.items()}
        return replace(piece, views={name: make_view(ids, store.tokenizer) for name, ids in views.items()})

    write_pieces(out[WITH], {split: map(told, pieces) for split, pieces in songs.items()}, header, store.tokenizer)


def read_chords(path: Path) -> Chords:
    """Read the labels of a song; one without a chord ends the one before it and is not told."""
    found: Chords = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found.setdefault(int(row["bar"]) - 1, []).append((float(row["beat"]) - 1, chord_token(row["chord"])))
    return found


def chord_token(label: str) -> str:
    """Return the Key token that stands for a chord.

    >>> chord_token("Bb:min7/5"), chord_token("F#:maj7"), chord_token("N")
    ('Key_Bbm', 'Key_Gb', '')
    """
    root, _, quality = label.partition(":")
    if root == "N":
        return ""
    is_minor = quality.startswith(("min", "dim", "hdim"))
    index = parse_key(f"{root}m" if is_minor else root).key_index
    assert index is not None
    return key_token(index)


def with_chords(view: View, chords: Chords, vocabulary: Vocabulary) -> NDArray[np.int32]:
    """Return a view's ids with a chord's token before the first position that is not before the chord's beginning."""
    parts, sounding = [view.ids[: view.bars[0]]], ""
    for bar in range(view.n_bars):
        ids = view.cut(bar, bar + 1)
        begins = np.array([vocabulary.values[id] if vocabulary.kinds[id] == "Position" else -1 for id in ids])
        events = chords.get(bar, [])
        if not events or events[0][0] > 0:
            events = [(0.0, sounding), *events]
        places, tokens = [], []
        for quarter, token in events:
            later = np.flatnonzero(begins >= quarter * GRID)
            sounding = token
            if token:
                places.append(2 if quarter == 0 else int(later[0]) if len(later) else len(ids))  # 2: Bar, TimeSig
                tokens.append(vocabulary.id(token))
        parts.append(np.insert(ids, places, tokens).astype(np.int32))
    return np.concatenate(parts)


def examples(store: PieceStore, longest: PieceStore) -> Iterator[tuple[str, NDArray[np.int32], NDArray[np.int64]]]:
    """Yield each song's work, the ids of its beginning, and the targets that are no chords; the same bars in both."""
    vocabulary = store.tokenizer.vocabulary
    for piece, long in zip(store, longest, strict=True):
        view = piece.views["full"]
        n_bars = int(np.searchsorted(long.views["full"].bars, MAX_TOKENS - 8)) - 1
        ids = PromptWriter(vocabulary).prefix(view.head(0), view.cut(0, n_bars))
        is_chord = vocabulary.kinds[ids[1:]] == "Key"
        yield piece.work_id, ids, np.where(is_chord, IGNORE, ids[1:]).astype(np.int64)


def _csv(piece: TokenPiece, chords: Path) -> Path:
    return chords / f"{Path(piece.name).stem}.csv" if piece.name.startswith("pop909/") else chords / "none"


if __name__ == "__main__":
    main()
