"""In which order should a gap be read? And what is hearing the suffix worth?

    python benchmarks/fill_orders.py DATASET [--model CKPT] [--gaps 130]

Cuts gaps of 1 to 4 bars out of validation pieces of a prepared dataset, at least 17 bars from their beginning, and asks
for each in every order; prints the bits per note of the true missing bars under each, with a 95 % interval of the
difference to the suffix read first, by bootstrap over gaps. The last line is one JSON document.

    prefix first       all bars before, those after, then the gap: the state before the caret serves as it is
    suffix first       the bars after, all bars before, then the gap: everything is read for every gap
    around N           all bars before but the last N, the bars after, the last N: a state serves, and the join is near
    no suffix          a plain continuation, asked for as one
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pianomuse.api import load
from pianomuse.data.pieces import TokenPiece
from pianomuse.data.store import PieceStore
from pianomuse.tokens.prompt import MAX_SUFFIX_BARS, PromptWriter, Wishes
from pianomuse.tokens.vocabulary import Vocabulary

NEAR = (2, 4, 8)
MIN_BARS, MAX_TOKENS = 28, 12_000
BASE = "suffix first"
Ids = NDArray[np.int32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--gaps", type=int, default=130)
    arguments = parser.parse_args()
    store = PieceStore(arguments.dataset, "valid")
    engine = load(arguments.model).engine
    rows: list[dict[str, float]] = []
    notes: list[int] = []
    for number, place in enumerate(np.linspace(0, len(store) - 1, arguments.gaps).round().astype(int)):
        piece, vocabulary = store[int(place)], store.tokenizer.vocabulary
        view = piece.views["full"]
        if view.n_bars < MIN_BARS or view.length(0, view.n_bars) > MAX_TOKENS:
            continue
        rng = np.random.default_rng(number)
        first = int(rng.integers(17, view.n_bars - 4))
        last = min(first + int(rng.integers(1, 5)), view.n_bars - 1)
        answer = np.append(view.cut(first, last), vocabulary.id("EOS_None")).astype(np.int32)
        n_notes = int((vocabulary.kinds[answer] == "Pitch").sum())
        if n_notes > 2:
            requests = orders(piece, vocabulary, first, last)
            rows.append({name: bits(engine, request, answer) for name, request in requests.items()})
            notes.append(n_notes)
    report(rows, np.array(notes))


def orders(piece: TokenPiece, vocabulary: Vocabulary, first: int, last: int) -> dict[str, Ids]:
    """Return the request for bars first … last−1 in every order."""
    view, writer = piece.views["full"], PromptWriter(vocabulary)
    wishes = Wishes("Fill", last - first, is_expressive=piece.is_expressive)
    after = view.head(last), view.cut(last, min(last + MAX_SUFFIX_BARS, view.n_bars))
    before = view.head(0), view.cut(0, first)
    found = {
        "prefix first": writer.fill(*before, *after, wishes),
        BASE: writer.fill(*before, *after, wishes, suffix_first=True),
    }
    for n_bars in NEAR:
        split = first - n_bars
        near = view.head(split), view.cut(split, first)
        found[f"around {n_bars}"] = writer.fill_around(view.head(0), view.cut(0, split), *near, *after, wishes)
    plain = Wishes("Continue", last - first, is_expressive=piece.is_expressive)
    return found | {"no suffix": writer.continuation(*before, plain)}


def report(rows: list[dict[str, float]], notes: NDArray[np.int64]) -> None:
    rng = np.random.default_rng(0)
    picks = [rng.integers(len(rows), size=len(rows)) for _ in range(1000)]
    base = np.array([row[BASE] for row in rows])
    results: dict[str, Any] = {"gaps": len(rows)}
    for order in rows[0]:
        own = np.array([row[order] for row in rows])
        differences = [(own - base)[pick].sum() / notes[pick].sum() for pick in picks]
        low, high = np.percentile(differences, [2.5, 97.5])
        print(f"{order:14}{own.sum() / notes.sum():8.3f} bits per note   {low:+.3f} … {high:+.3f}")
        results[order] = [float(own.sum() / notes.sum()), float(low), float(high)]
    print(json.dumps(results))


def bits(engine: Any, request: Ids, answer: Ids) -> float:
    """Return −Σ log2 p of the answer."""
    logits, _ = engine.prefill_all(np.concatenate([request, answer[:-1]]), None)
    logits = logits[len(request) - 1 :].astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    chosen = logits[np.arange(len(logits)), answer]
    return float((np.log(np.exp(logits).sum(axis=1)) - chosen).sum() / np.log(2))


if __name__ == "__main__":
    main()
