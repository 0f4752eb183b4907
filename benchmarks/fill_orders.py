"""Which order fills a gap better: prefix before suffix, or suffix before prefix? And what is hearing the suffix worth?

    python benchmarks/fill_orders.py DATASET [--model CKPT] [--gaps 200]

Cuts the same gaps of 1 to 8 bars out of validation pieces of a prepared dataset, asks for each in both orders, and as a
plain continuation that does not hear what follows; prints the bits per note of the true missing bars under each, with
a 95 % interval of the differences by bootstrap over gaps. The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from pianomuse.api import load
from pianomuse.data.examples import Example, ExampleMaker
from pianomuse.data.pieces import TokenPiece
from pianomuse.data.store import PieceStore
from pianomuse.tokens.prompt import PromptWriter, Wishes

MAX_TOKENS = 1536
ORDERS = ("prefix first", "suffix first", "no suffix")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--gaps", type=int, default=200)
    arguments = parser.parse_args()
    store = PieceStore(arguments.dataset, "valid")
    engine = load(arguments.model).engine
    kinds = store.tokenizer.vocabulary.kinds
    rows = []
    for number, place in enumerate(np.linspace(0, len(store) - 1, arguments.gaps).round().astype(int)):
        examples = same_gap(store[int(place)], store, number)
        if examples is not None:
            notes = int((kinds[examples[0].ids[examples[0].ctx_len :]] == "Pitch").sum())
            rows.append([bits(engine, example) for example in examples] + [notes])
    table = np.array(rows)
    per_note = table[:, :3].sum(axis=0) / table[:, 3].sum()
    for order, value in zip(ORDERS, per_note, strict=True):
        print(f"{order:14}{value:8.3f} bits per note")
    rng = np.random.default_rng(0)
    picks = [rng.integers(len(table), size=len(table)) for _ in range(1000)]
    results = {"gaps": len(table), **dict(zip(ORDERS, per_note.tolist(), strict=True))}
    for first, second in ((1, 0), (2, 0)):
        differences = [(table[p, first] - table[p, second]).sum() / table[p, 3].sum() for p in picks]
        low, high = np.percentile(differences, [2.5, 97.5])
        print(f"{ORDERS[first]} − {ORDERS[second]}: {low:+.3f} … {high:+.3f}")
        results[f"{ORDERS[first]} - {ORDERS[second]}"] = [float(low), float(high)]
    print(json.dumps(results))


def same_gap(piece: TokenPiece, store: PieceStore, number: int) -> list[Example] | None:
    """Return one gap asked for in all three ways, or None where it does not fit."""
    vocabulary = store.tokenizer.vocabulary
    maker = ExampleMaker(vocabulary, MAX_TOKENS)
    both = [maker.fill(piece, np.random.default_rng(number), suffix_first=order) for order in (False, True)]
    if both[0] is None or both[1] is None:
        return None
    answer = both[0].ids[both[0].ctx_len :]
    end = int(np.flatnonzero(both[0].ids == vocabulary.id("Fill_Suffix"))[0])
    n_bars = int((answer == vocabulary.id("Bar_None")).sum())
    controls = PromptWriter(vocabulary).controls(Wishes("Continue", n_bars, is_expressive=piece.is_expressive))
    request = np.concatenate([both[0].ids[:end], controls])
    return [both[0], both[1], Example(np.concatenate([request, answer]).astype(np.int32), len(request))]


def bits(engine: object, example: Example) -> float:
    """Return −Σ log2 p of the answer."""
    logits, _ = engine.prefill_all(example.ids[:-1], None)  # type: ignore[attr-defined]
    logits = logits[example.ctx_len - 1 :].astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    chosen = logits[np.arange(len(logits)), example.ids[example.ctx_len :]]
    return float((np.log(np.exp(logits).sum(axis=1)) - chosen).sum() / np.log(2))


if __name__ == "__main__":
    main()
