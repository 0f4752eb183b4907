"""Build the Markov reference that ships: `make reference-markov DATASET=datasets/corpus`.

Chooses the way of counting and the order on a fortieth of the training works, counts all of them, prunes, writes
src/pianomuse/evaluate/markov.npz (at most 10 MB) and says what pruning costs on the validation works. The file carries
these numbers.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pianomuse.data.store import PieceStore
from pianomuse.evaluate.markov import METHODS, MarkovModel, held_out_bits, train_markov
from pianomuse.evaluate.markov_table import find_savings, load_markov, prune, save_markov

TABLE = Path(__file__).resolve().parent.parent / "src" / "pianomuse" / "evaluate" / "markov.npz"
MAX_BYTES = 10_000_000
HELD_OUT = 40


def main() -> None:
    """Choose, count, prune, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--max-order", type=int, default=10)
    parser.add_argument("--choose-on", type=int, default=8, help="choose on every n-th training work, for speed")
    parser.add_argument("--out", type=Path, default=TABLE)
    arguments = parser.parse_args()
    store = PieceStore(arguments.dataset, "train")
    vocabulary = store.tokenizer.vocabulary
    begin = vocabulary.id("BOS_None")
    training, works = read(store, begin)
    is_held_out = [is_chosen(work) for work in works]
    counted = [piece for piece, held in zip(training, is_held_out, strict=True) if not held][:: arguments.choose_on]
    held_out = [piece for piece, held in zip(training, is_held_out, strict=True) if held]
    tried = {
        method: held_out_bits(counted, held_out, len(vocabulary), arguments.max_order, method) for method in METHODS
    }
    for name, bits in tried.items():
        print(name, *(f"{value:.4f}" for value in bits), "bits per token at order 1, 2, ...", flush=True)
    method = min(METHODS, key=lambda name: min(tried[name]))
    order = int(np.argmin(tried[method])) + 1
    model = train_markov(training, len(vocabulary), order, method)
    print(f"counted {method}, order {order}: {sum(len(level.keys) for level in model.levels):,} n-grams", flush=True)
    validation, _ = read(PieceStore(arguments.dataset, "valid"), begin)
    full_bits = bits_per_note(model, validation, vocabulary.kinds == "Pitch")
    savings, n_entries = find_savings(model, training), 2_000_000
    while True:
        pruned = prune(model, savings, n_entries)
        facts = {
            "vocabulary": vocabulary.fingerprint,
            "method": method,
            "training_pieces": len(training),
            "training_tokens": int(sum(map(len, training))),
            "bits_per_note_unpruned": round(full_bits, 4),
            "bits_per_note": round(bits_per_note(pruned, validation, vocabulary.kinds == "Pitch"), 4),
            "n_grams": int(sum(len(level.keys) for level in pruned.levels)),
            "chosen_from": {name: [round(value, 4) for value in bits] for name, bits in tried.items()},
        }
        size = save_markov(pruned, arguments.out, facts)
        if size <= MAX_BYTES:
            break
        n_entries = int(n_entries * MAX_BYTES / size * 0.98)
    load_markov(arguments.out, vocabulary.fingerprint)
    print(f"{arguments.out}: {size:,} bytes")
    print(json.dumps(facts))


def read(store: PieceStore, begin: int) -> tuple[list[NDArray[np.int16]], list[str]]:
    """Return the ids of every piece from BOS on, and its work."""
    pieces = list(store)
    return [np.append(begin, p.views["full"].ids).astype(np.int16) for p in pieces], [p.work_id for p in pieces]


def is_chosen(work_id: str) -> bool:
    """Tell whether a training work is held out to choose on."""
    return int.from_bytes(hashlib.blake2b(work_id.encode(), digest_size=4).digest(), "big") % HELD_OUT == 0


def bits_per_note(model: MarkovModel, pieces: list[NDArray[np.int16]], is_pitch: NDArray[np.bool_]) -> float:
    """Return bits per note; BOS, first metre and first tempo are given."""
    return float(sum(model.bits(p)[3:].sum() for p in pieces) / sum(is_pitch[p].sum() for p in pieces))


if __name__ == "__main__":
    main()
