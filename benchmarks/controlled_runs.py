"""Which model, which examples? Short runs that differ in one thing, from the same seed, over the same number of tokens.

    python benchmarks/controlled_runs.py DATASET OUT [--steps 250] [--only NAME ...]

Each run is `pianomuse train` with the settings of its line in RUNS. All are judged on the same 148 validation examples
of all kinds, of 1,024 tokens at most: bits per note, and the difference to the first run with a 95 % interval by
bootstrap over works. Runs that are finished in OUT are not run again. The last line is one JSON document.

A run with another order of tokens reads, and is judged on, the same dataset with its notes in that order: they are the
same notes, so bits per note can be compared.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pianomuse.api import load
from pianomuse.data.batches import IGNORE, TargetMask
from pianomuse.data.examples import ExampleMaker
from pianomuse.data.pieces import TokenPiece, make_view
from pianomuse.data.store import PieceStore, write_pieces
from pianomuse.evaluate.bootstrap import ratio
from pianomuse.generate.engine import Engine

N_EXAMPLES = 148
MAX_TOKENS = 1024
BASE = "8 layers of 256"
MIXTURE = "folder_weights=chopin=2,mutopia=2,lieder=0.8,pop909=0.8"
RUNS: dict[str, tuple[str, ...]] = {
    BASE: (),
    "another seed": ("seed=1",),
    "5 layers of 320": ("n_layer=5", "n_embd=320"),
    "14 layers of 192": ("n_layer=14", "n_embd=192"),
    "2 layers of 512": ("n_layer=2", "n_embd=512"),
    "DeepEmbed": ("deep_embed=yes",),
    "dropout 0.02": ("dropout=0.02",),
    "examples of 512 tokens": ("max_tokens=512", "batch_size=8"),
    "examples of 2,048 tokens": ("max_tokens=2048", "batch_size=2"),
    "folders as they are": ("folder_weights=", "length_power=1"),
    "no weight decay": ("weight_decay=0",),
    "continuation alone": ("continuation=1", "fill_around=0", "hand=0", "melody=0", "accompany=0"),
    "twice the learning rate": ("lr=0.003", "lr_final=0.0003"),
    "half the learning rate": ("lr=0.00075", "lr_final=0.000075"),
    "not transposed": ("augment=no",),
    "chords from the top": (),
}
FROM_THE_TOP = "chords from the top"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--only", nargs="*", choices=list(RUNS), default=list(RUNS))
    options = parser.parse_args()
    plainly = examples(options.dataset)
    rows: dict[str, NDArray[np.float64]] = {}
    results: dict[str, Any] = {"steps": options.steps, "examples": len(plainly)}
    for name in options.only:
        dataset, judged = options.dataset, plainly
        if name == FROM_THE_TOP:
            dataset = from_the_top(dataset, options.out / "dataset-from-the-top")
            judged = examples(dataset)
        run = options.out / name.replace(" ", "-").replace(",", "").replace(".", "")
        if not (run / "finished").exists():
            train(dataset, run, options.steps, RUNS[name])
        rows[name] = np.array([bits(load(run / "best").engine, ids, targets) for _, ids, targets in judged])
        results[name] = compared(rows, name, judged) | {"tokens_per_s": speed(run)}
        print(name, results[name], flush=True)
    print(json.dumps(results))


def train(
    dataset: Path, run: Path, steps: int, settings: tuple[str, ...], program: tuple[str, ...] = ("-m", "pianomuse")
) -> None:
    """Run `pianomuse train` to its end."""
    common = ("batch_size=4", f"max_tokens={MAX_TOKENS}", "lr=0.0015", "lr_final=0.00015", "warmup_steps=20", MIXTURE)
    often = (f"validate_every={steps}", f"checkpoint_every={steps}", "sample_every=0", "tensorboard=no")
    command = ["train", dataset, "--out", run, "--preset", "tiny", "--steps", steps]
    changes = (change for setting in (*common, *often, *settings) for change in ("--set", setting))
    subprocess.run([sys.executable, *program, *map(str, command), *changes], check=True, stdout=subprocess.DEVNULL)
    (run / "finished").touch()


def examples(dataset: Path) -> list[tuple[str, NDArray[np.int32], NDArray[np.int64]]]:
    """Return for each validation piece its work, the ids of one example and the targets."""
    store = PieceStore(dataset, "valid")
    vocabulary = store.tokenizer.vocabulary
    maker, mask = ExampleMaker(vocabulary, MAX_TOKENS), TargetMask(vocabulary)
    found = []
    for number, place in enumerate(np.linspace(0, len(store) - 1, N_EXAMPLES).round().astype(int)):
        piece = store[int(place)]
        example = maker.draw(piece, np.random.default_rng([11, number]))
        found.append((piece.work_id, example.ids, mask(example.ids, example.ctx_len, "all")))
    return found


def from_the_top(dataset: Path, out: Path) -> Path:
    """Write a dataset in which notes that begin together are told from the highest to the lowest."""
    if not out.exists():
        stores = {split: PieceStore(dataset, split) for split in ("train", "valid")}
        store = stores["train"]
        pieces = {split: (turned(piece, store) for piece in pieces) for split, pieces in stores.items()}
        write_pieces(out, pieces, store.header, store.tokenizer)
    return out


def turned(piece: TokenPiece, store: PieceStore) -> TokenPiece:
    """Return a piece with every run of notes in the opposite order, each note's tokens in theirs."""
    kinds, views = store.tokenizer.vocabulary.kinds, {}
    for name, view in piece.views.items():
        is_pitch = kinds[view.ids] == "Pitch"
        starts = is_pitch & ~np.roll(is_pitch, 3)  # a note has three tokens
        runs = np.cumsum(starts)[is_pitch]
        order = np.lexsort((-np.flatnonzero(is_pitch), runs))
        ids, notes = view.ids.copy(), np.flatnonzero(is_pitch)
        for offset in range(3):
            ids[notes + offset] = view.ids[notes[order] + offset]
        views[name] = make_view(ids, store.tokenizer)
    return replace(piece, views=views)


def bits(engine: Engine[Any], ids: NDArray[np.int32], targets: NDArray[np.int64]) -> float:
    """Return −Σ log2 p of all targets of an example."""
    logits, _ = engine.prefill_all(ids[:-1], None)  # type: ignore[attr-defined]
    places = np.flatnonzero(targets != IGNORE)
    scores = logits[places].astype(np.float64)
    scores -= scores.max(axis=1, keepdims=True)
    chosen = scores[np.arange(len(places)), targets[places]]
    return float((np.log(np.exp(scores).sum(axis=1)) - chosen).sum() / np.log(2))


def compared(
    rows: dict[str, NDArray[np.float64]], name: str, judged: list[tuple[str, NDArray[np.int32], NDArray[np.int64]]]
) -> dict[str, Any]:
    """Return bits per note of a run, and how many more than the first's."""
    vocabulary_pitches = load().tokenizer.vocabulary.ids_of("Pitch")
    notes = [int(np.isin(targets, vocabulary_pitches).sum()) for _, _, targets in judged]
    works = [work for work, _, _ in judged]
    first = next(iter(rows))
    more = ratio(rows[name] - rows[first], notes, works)
    return {"bits": round(ratio(rows[name], notes, works).value, 3), "more": more.to_json()}


def speed(run: Path) -> float:
    """Return the median of the tokens per second that a run wrote down."""
    lines = (json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return round(float(np.median([line["tokens_per_s"] for line in lines if "tokens_per_s" in line])))


if __name__ == "__main__":
    main()
