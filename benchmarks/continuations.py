"""Does a continuation belong to this piece? Key, texture and register of ideas against their context, beside the truth.

    python benchmarks/continuations.py MIDI_DIR [--pieces 20] [--model CKPT] [--pictures OUT]

Takes pieces of the validation split (all files where the folder has no manifest.csv), asks for four bars in the middle
of each, and compares three continuations with the last eight bars before the caret: the idea, the true next bars, and
the true bars of another piece. Per measure it prints the mean over the pieces:

    in key      share of notes in the scale of the context's key (Krumhansl; harmonic and natural minor both count)
    density     |log2| of the ratio of notes per quarter, in octaves: 0 as full as the context, 1 twice or half as full
    register    distance of the mean pitch from the context's, in semitones
    polyphony   distance of the most notes sounding at once
    kept        share of pieces where all three hold: 90 % in key, density within 1, register within 7

The last line is one JSON document. Metre is always kept: the grammar enforces it.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
from pathlib import Path

import numpy as np

from pianomuse.api import Muse, load
from pianomuse.midi.bars import cut
from pianomuse.midi.read import Piece, read_midi
from pianomuse.tokens.notes import TokenNotes, key_scores, n_voices, read_notes
from pianomuse.tokens.tokenizer import PianoTokenizer

BARS, HEARD = 4, 8
MAJOR, MINOR = {0, 2, 4, 5, 7, 9, 11}, {0, 2, 3, 5, 7, 8, 9, 10, 11}
TOKENIZER = PianoTokenizer()
MEASURES = ("in key", "density", "register", "polyphony", "kept")


def main() -> None:
    arguments = parse()
    pieces = [read_midi(path) for path in choose(arguments.midi_dir, arguments.pieces)]
    muse = load(arguments.model)
    rows: dict[str, list[dict[str, float]]] = {"idea": [], "truth": [], "another piece": []}
    for number, piece in enumerate(pieces):
        caret = piece.grid.n_bars // 2
        context = notes_of(piece, caret - HEARD, caret)
        other = pieces[(number + 1) % len(pieces)]
        rows["idea"] += [compare(context, idea) for idea in ideas(muse, piece, caret, arguments.pictures)]
        rows["truth"].append(compare(context, notes_of(piece, caret, caret + BARS)))
        middle = other.grid.n_bars // 2
        rows["another piece"].append(compare(context, notes_of(other, middle, middle + BARS)))
    means = {
        who: {name: float(np.mean([row[name] for row in found])) for name in MEASURES} for who, found in rows.items()
    }
    print(f"{platform.processor() or platform.machine()}, {len(pieces)} pieces, 2 ideas each\n")
    print(f"{'':16}" + "".join(f"{name:>12}" for name in MEASURES))
    for who, values in means.items():
        print(f"{who:16}" + "".join(f"{values[name]:12.2f}" for name in MEASURES))
    print(json.dumps({"pieces": len(pieces), "results": means}))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("midi_dir", type=Path)
    parser.add_argument("--pieces", type=int, default=20)
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--pictures", type=Path, default=None, help="also save context and idea as MIDI here")
    return parser.parse_args()


def choose(folder: Path, n_pieces: int) -> list[Path]:
    """Return validation files of at least 24 bars, spread evenly over the folder."""
    manifest = folder / "manifest.csv"
    if manifest.is_file():
        with manifest.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == "valid"]
        paths = [folder / row["path"] for row in rows if int(row["bars"]) >= 24]
    else:
        paths = sorted(folder.rglob("*.mid"))
    places = np.linspace(0, len(paths) - 1, min(n_pieces, len(paths))).round().astype(int)
    return [paths[place] for place in places]


def ideas(muse: Muse, piece: Piece, caret: int, out: Path | None) -> list[TokenNotes]:
    found = muse.complete(piece, at_bar=caret, bars=BARS, candidates=2, seed=1)
    if out is not None and piece.path is not None:
        out.mkdir(parents=True, exist_ok=True)
        found[0].save_with_completion(out / f"{piece.path.stem}.mid")
    return [read_notes(TOKENIZER.encode(idea.score, n_bars=BARS), TOKENIZER.vocabulary) for idea in found]


def notes_of(piece: Piece, first: int, last: int) -> TokenNotes:
    grid = piece.grid
    score = TOKENIZER.musical(cut(piece.score, grid.start_of(max(first, 0)), grid.start_of(last)))
    return read_notes(TOKENIZER.encode(score, n_bars=last - max(first, 0)), TOKENIZER.vocabulary)


def compare(context: TokenNotes, new: TokenNotes) -> dict[str, float]:
    key = int(key_scores(context.pitch, context.duration).argmax())
    scale = MAJOR if key < 12 else MINOR
    in_key = float(np.mean([(pitch - key) % 12 in scale for pitch in new.pitch])) if len(new.pitch) else 0.0
    rates = [max(len(notes.pitch), 1) / notes.total_units for notes in (context, new)]
    density = abs(float(np.log2(rates[1] / rates[0])))
    register = abs(float(new.pitch.mean() - context.pitch.mean())) if len(new.pitch) and len(context.pitch) else 99.0
    return {
        "in key": in_key,
        "density": density,
        "register": register,
        "polyphony": abs(n_voices(new) - n_voices(context)),
        "kept": float(in_key >= 0.9 and density <= 1 and register <= 7),
    }


if __name__ == "__main__":
    main()
