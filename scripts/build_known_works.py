"""Build the index of known works that ships with the model: `make reference-works DATASET=... MANIFEST=manifest.csv`.

Reads the training split of a prepared dataset, names its works by the manifest (columns path, composer, title), writes
known-works.npz beside the weights, and says in how many passages of the validation works a stretch is named: in a true
continuation it should be rare.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from pianomuse.data.store import PieceStore
from pianomuse.errors import PianoMuseError
from pianomuse.measure.known_works import LIMIT_NOTES, KnownWorks, index_works, known_works_bytes
from pianomuse.measure.passage import Passage, passage_of_ids
from pianomuse.midi.write import write_atomically

INDEX = Path(__file__).resolve().parent.parent / "src" / "pianomuse" / "weights" / "default" / "known-works.npz"
PASSAGE_BARS, N_PASSAGES = 4, 2_000


def main() -> int:
    """Build, write, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--manifest", type=Path, required=True, help="CSV with path, composer and title")
    parser.add_argument("--out", type=Path, default=INDEX)
    arguments = parser.parse_args()
    try:
        names = read_names(arguments.manifest)
        index = index_works((names.get(name, name), music) for name, music in passages(arguments.dataset, "train"))
        content = known_works_bytes(index)
        write_atomically(arguments.out, content)
        print(f"{arguments.out}: {len(index.hashes):,} runs of {len(index.names):,} works, {len(content):,} bytes")
        named, n_passages = count_named(index, [music for _, music in passages(arguments.dataset, "valid")])
    except PianoMuseError as error:
        print(error, file=sys.stderr)
        return 2
    print(
        f"more than {LIMIT_NOTES} notes in a row are named in {named} of {n_passages} true passages of {PASSAGE_BARS} "
        f"bars from validation works ({named / max(n_passages, 1):.1%})"
    )
    return 0


def read_names(manifest: Path) -> dict[str, str]:
    """Return the name of the work of every file, by its path without ending."""
    with manifest.open(encoding="utf-8", newline="") as file:
        return {
            str(PurePosixPath(row["path"]).with_suffix("")): ": ".join(filter(None, (row["composer"], row["title"])))
            for row in csv.DictReader(file)
        }


def passages(dataset: Path, split: str) -> Iterator[tuple[str, Passage]]:
    """Yield every piece of a split with its name, without ending."""
    store = PieceStore(dataset, split)
    for piece in store:
        name = str(PurePosixPath(piece.name).with_suffix(""))
        yield name, passage_of_ids(piece.views["full"].ids, store.tokenizer.vocabulary)


def count_named(index: KnownWorks, pieces: list[Passage]) -> tuple[int, int]:
    """Return in how many passages drawn from the pieces a stretch is named, and how many were drawn."""
    chance = np.random.default_rng(0)
    long_enough = [piece for piece in pieces if piece.n_bars >= PASSAGE_BARS]
    named = 0
    for _ in range(N_PASSAGES):
        piece = long_enough[chance.integers(len(long_enough))]
        first = int(chance.integers(piece.n_bars - PASSAGE_BARS + 1))
        named += index.find(piece.bars(first, first + PASSAGE_BARS)) is not None
    return named, N_PASSAGES


if __name__ == "__main__":
    sys.exit(main())
