"""How well does a model predict works it never saw? Bits per note, by collection and by place in the piece.

    python benchmarks/likelihood.py MIDI_DIR [--model CKPT] [--precision float32|int8] [--pieces N]

Reads every validation piece from its first bar to its last as one sequence (BOS, metre, tempo, bars), with the full
softmax over all tokens and no grammar mask, and prints −Σ log2 p(token) / number of notes: all tokens of the music
count (bars, positions, pitches, velocities, durations, pedal), so that the number does not depend on the vocabulary.
The table by bar says whether more context keeps helping. The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pianomuse.api import load
from pianomuse.errors import MidiError
from pianomuse.tokens.tokenizer import PianoTokenizer

MAX_TOKENS = 32_768
FROM_BARS = (0, 4, 8, 16, 32, 64, 128, 256)
TOKENIZER = PianoTokenizer()
KINDS = TOKENIZER.vocabulary.kinds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("midi_dir", type=Path)
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--precision", choices=("float32", "int8"), default="float32")
    parser.add_argument("--pieces", type=int, default=None)
    arguments = parser.parse_args()
    engine = load(arguments.model, precision=arguments.precision).engine
    begin = TOKENIZER.vocabulary.id("BOS_None")
    by_source: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    by_bar: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
    started, n_tokens = time.perf_counter(), 0
    for path in validation_files(arguments.midi_dir, arguments.pieces):
        try:
            ids = np.concatenate([[begin], TOKENIZER.tokenize_midi(path)])[:MAX_TOKENS]
        except MidiError as error:
            print(f"left out: {error}")
            continue
        bits = bits_of(engine, ids)
        music = ids[3:]
        is_note, bar = KINDS[music] == "Pitch", np.cumsum(KINDS[music] == "Bar") - 1
        source = by_source[path.relative_to(arguments.midi_dir).parts[0]]
        source[0] += bits.sum()
        source[1] += is_note.sum()
        source[2] += bar[-1] + 1
        place = np.searchsorted(FROM_BARS, bar, side="right") - 1
        for index in np.unique(place):
            by_bar[int(index)][0] += bits[place == index].sum()
            by_bar[int(index)][1] += is_note[place == index].sum()
        n_tokens += len(ids)
    report(by_source, by_bar, n_tokens / (time.perf_counter() - started), arguments.precision)


def validation_files(folder: Path, n_pieces: int | None) -> list[Path]:
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "valid" and not row["path"].startswith("ccbysa")]
    paths = [folder / row["path"] for row in rows]
    if n_pieces is None or n_pieces >= len(paths):
        return paths
    return [paths[place] for place in np.linspace(0, len(paths) - 1, n_pieces).round().astype(int)]


def bits_of(engine: object, ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return −log2 p of every token from the fourth on (what comes before is given): float64 [T − 3]."""
    logits, _ = engine.prefill_all(ids[:-1], None)  # type: ignore[attr-defined]
    logits = logits[2:].astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    log_z = np.log(np.exp(logits).sum(axis=1))
    chosen = logits[np.arange(len(logits)), ids[3:]]
    bits: NDArray[np.float64] = (log_z - chosen) / np.log(2)
    return bits


def report(
    by_source: dict[str, list[float]], by_bar: dict[int, list[float]], tokens_per_s: float, precision: str
) -> None:
    bits, notes, bars = np.array(list(by_source.values())).sum(axis=0)
    print(f"{platform.processor() or platform.machine()}, {precision}, {tokens_per_s:,.0f} tokens/s read\n")
    print(f"{'all':12}{bits / notes:8.3f} bits per note{bits / bars:9.1f} bits per bar")
    for source, (source_bits, source_notes, source_bars) in sorted(by_source.items()):
        per_note, per_bar = source_bits / source_notes, source_bits / source_bars
        print(f"{source:12}{per_note:8.3f} bits per note{per_bar:9.1f} bits per bar")
    print("\nfrom bar   bits per note")
    places = {FROM_BARS[index] + 1: found[0] / max(found[1], 1) for index, found in sorted(by_bar.items())}
    for first, value in places.items():
        print(f"{first:8}{value:16.3f}")
    sources = {source: found[0] / found[1] for source, found in by_source.items()}
    print(
        json.dumps(
            {"bits_per_note": bits / notes, "bits_per_bar": bits / bars, "by_source": sources, "from_bar": places}
        )
    )


if __name__ == "__main__":
    main()
