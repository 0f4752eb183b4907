"""Where should the hand that is given stand? And what is hearing it worth?

    python benchmarks/given_hand.py DATASET [--model CKPT] [--every N]

In every validation piece with two hands four bars are taken, at least 17 bars from its beginning, and the bits per note
of each hand's true notes are counted under four requests, with a 95 % interval of the difference to the first by
bootstrap over works. The last line is one JSON document.

    bar for bar    each new bar is read with the given one before it: what composing asks and training has
    all before     all given bars, then all new ones: what weights before that were trained with
    nothing given  bar for bar, but every given bar is empty
    another's      bar for bar, but the given bars are those eight bars earlier
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
from pianomuse.evaluate.bootstrap import ratio
from pianomuse.tokens.prompt import PromptWriter, Wishes
from pianomuse.tokens.vocabulary import Vocabulary

N_BARS, FROM_BAR, EARLIER, MAX_TOKENS = 4, 17, 8, 12_000
Ids = NDArray[np.int32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--every", type=int, default=1, help="take every Nth piece")
    options = parser.parse_args()
    store = PieceStore(options.dataset, "valid")
    vocabulary = store.tokenizer.vocabulary
    engine = load(options.model).engine
    results: dict[str, Any] = {}
    for wanted, given in (("left", "right"), ("right", "left")):
        rows: list[dict[str, float]] = []
        notes, works = [], []
        for number in range(0, len(store), options.every):
            piece = store[number]
            first = place(piece, wanted, given, np.random.default_rng(number))
            if first is None:
                continue
            full, asked = piece.views["full"], layouts(piece, vocabulary, first, wanted, given)
            _, before = engine.prefill(PromptWriter(vocabulary).prefix(full.head(0), full.cut(0, first)), None)
            rows.append({name: bits(engine, before, *layout) for name, layout in asked.items()})
            answer = piece.views[wanted].cut(first, first + N_BARS)
            notes.append(int((vocabulary.kinds[answer] == "Pitch").sum()))
            works.append(piece.work_id)
        results[wanted] = report(wanted, rows, notes, works)
    print(json.dumps(results))


def place(piece: TokenPiece, wanted: str, given: str, rng: np.random.Generator) -> int | None:
    """Draw a bar from which both hands play; None where there is none."""
    if wanted not in piece.views or piece.n_bars < FROM_BAR + N_BARS or piece.views["full"].length(0, -1) > MAX_TOKENS:
        return None
    first = int(rng.integers(FROM_BAR, piece.n_bars - N_BARS + 1))
    plays = [piece.views[hand].length(first, first + N_BARS) > 8 * N_BARS for hand in (wanted, given)]
    return first if all(plays) else None


def layouts(
    piece: TokenPiece, vocabulary: Vocabulary, first: int, wanted: str, given: str
) -> dict[str, tuple[Ids, Ids, NDArray[np.bool_]]]:
    """Return for each layout what is asked behind the context, what follows, and which of that is the answer."""
    writer = PromptWriter(vocabulary)
    answer, heard = piece.views[wanted].cut(first, first + N_BARS), piece.views[given]
    wishes = Wishes("Hand", N_BARS, is_expressive=piece.is_expressive, hand=wanted.capitalize())
    request = np.array(writer.controls(wishes), dtype=np.int32)
    beside = writer.beside(heard.cut(first, first + N_BARS))
    empty = tuple((bar[0], bar[-1]) for bar in beside)
    anothers = writer.beside(heard.cut(first - EARLIER, first - EARLIER + N_BARS))
    asides = {"bar for bar": beside, "nothing given": empty, "another's": anothers}
    found = {name: _interleaved(writer, request, answer, aside, vocabulary) for name, aside in asides.items()}
    at, end = [vocabulary.id("Fill_Given")], [vocabulary.id("Fill_Middle")]
    bars = np.concatenate([at, heard.head(first), heard.cut(first, first + N_BARS), end]).astype(np.int32)
    all_before = np.concatenate([bars, request])
    alone = np.append(answer, vocabulary.id("EOS_None")).astype(np.int32)
    return found | {"all before": (all_before, alone, np.ones(len(alone), dtype=bool))}


def _interleaved(
    writer: PromptWriter, request: Ids, answer: Ids, beside: tuple[tuple[int, ...], ...], vocabulary: Vocabulary
) -> tuple[Ids, Ids, NDArray[np.bool_]]:
    music = np.append(writer.interleave(answer, beside), vocabulary.id("EOS_None")).astype(np.int32)
    return request, music, ~writer.is_beside(music)


def bits(engine: Any, before: Any, request: Ids, music: Ids, is_answer: NDArray[np.bool_]) -> float:
    """Return −Σ log2 p of the answer's tokens, from the state that has read the context."""
    logits, _ = engine.prefill_all(np.concatenate([request, music[:-1]]), before)
    logits = logits[len(request) - 1 :].astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    chosen = logits[np.arange(len(logits)), music]
    return float((np.log(np.exp(logits).sum(axis=1)) - chosen)[is_answer].sum() / np.log(2))


def report(wanted: str, rows: list[dict[str, float]], notes: list[int], works: list[str]) -> dict[str, Any]:
    base = np.array([next(iter(row.values())) for row in rows])
    found: dict[str, Any] = {"places": len(rows)}
    for name in rows[0]:
        own = np.array([row[name] for row in rows])
        each, more = ratio(own, notes, works), ratio(own - base, notes, works)
        print(f"{wanted:6} {name:14}{each.value:8.3f} bits per note   {more.low:+.3f} … {more.high:+.3f}")
        found[name] = {"bits": each.to_json(), "more": more.to_json()}
    return found


if __name__ == "__main__":
    main()
