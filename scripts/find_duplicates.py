"""Look for validation music in the training music: python scripts/find_duplicates.py DATASET|MIDI_DIR.

Says which pieces of the two splits share a third or more of their runs of notes (versions of one work that the split
missed) and which share a passage; how, stands in src/pianomuse/data/duplicates.py. `--list FILE` writes the training
pieces of the first kind, for `pianomuse prepare --exclude-list FILE`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from pianomuse.data.duplicates import SAME_WORK, Pair, find_duplicates
from pianomuse.data.prepare import process_midi_directory
from pianomuse.data.store import PieceStore
from pianomuse.errors import PianoMuseError


def main() -> int:
    """Search and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--exclude", action="append", default=[], help="sub-folder of a MIDI folder to leave out")
    parser.add_argument("--least", type=float, default=0.1, help="smallest share that is told")
    parser.add_argument("--list", type=Path, dest="listed", help="write the training pieces to leave out here")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    try:
        pairs, counts = search(arguments.source, tuple(arguments.exclude), arguments.least)
    except PianoMuseError as error:
        print(error, file=sys.stderr)
        return 2
    same = [pair for pair in pairs if pair.is_one_work]
    if arguments.listed is not None:
        arguments.listed.write_text("".join(f"{name}\n" for name in sorted({p.train for p in same})), encoding="utf-8")
    if arguments.json:
        print(json.dumps({**counts, "pairs": [asdict(pair) for pair in pairs]}, ensure_ascii=False))
        return 0
    print(f"{counts['valid']} validation pieces against {counts['train']} training pieces")
    n_passages = len(pairs) - len(same)
    print(f"{len(same)} pairs share a third or more, {n_passages} share {arguments.least:.0%} to {SAME_WORK:.0%}")
    print("melody  onsets  longest   validation  ·  training")
    for pair in pairs:
        print(f"{pair.melody:6.0%}  {pair.onsets:6.0%}  {pair.longest_notes:7}   {pair.valid}  ·  {pair.train}")
    return 0


def search(source: Path, exclude: tuple[str, ...], least: float) -> tuple[list[Pair], dict[str, int]]:
    """Compare the two splits of a dataset; a MIDI folder is prepared first, in a folder that goes again."""
    if not (source / "header.json").is_file():
        with tempfile.TemporaryDirectory() as folder:
            process_midi_directory(source, Path(folder) / "dataset", exclude=exclude)
            return search(Path(folder) / "dataset", (), least)
    train, valid = (PieceStore(source, split) for split in ("train", "valid"))
    vocabulary = train.tokenizer.vocabulary
    pieces = list(valid), list(train)
    return find_duplicates(*pieces, vocabulary, least=least), {"valid": len(valid), "train": len(train)}


if __name__ == "__main__":
    sys.exit(main())
