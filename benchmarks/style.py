"""What a style file is worth: two kinds of music, a style of each, judged on works of both that tune never saw.

    python benchmarks/style.py MIDI_DIR [--kinds pop909 chopin] [--works 8] [--folds 2] [--out FILE]

MIDI_DIR holds a `manifest.csv`; of each kind (a sub-folder) works of the validation split are taken, which the model
was not trained on. They are parted by work into folds. A style is tuned on all folds but one, by `pianomuse tune` as it
is, which holds out some of them to choose its step; it is judged on the fold left out, of its own kind and of the
other. So every work is judged once with each style and once without: its first 256 tokens, its first 4,096, and six
passages of 256 tokens from anywhere in it, each read as if the piece began there. Differences are over the same works,
intervals by bootstrap over works. Prints the table; the JSON document goes to FILE.
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pianomuse.api import Muse, load, model_folder
from pianomuse.checkpoint.store import Checkpoint, load_checkpoint
from pianomuse.checkpoint.style import Style
from pianomuse.evaluate.bootstrap import Estimate, ratio
from pianomuse.evaluate.likelihood import engine_bits
from pianomuse.evaluate.works import Work, load_works
from pianomuse.midi.write import write_atomically
from pianomuse.train.tune import RECIPE, tune

RESULTS = Path(__file__).parent / "results" / "style.json"
NO_STYLE = "none"
OPENING, LONG, PASSAGES = "first 256 tokens", "first 4,096 tokens", "passages of 256 tokens"
N_PASSAGES, GIVEN = 6, 3  # BOS, metre, tempo

Sums = dict[str, tuple[float, int]]
"""By part of a work: bits, notes."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("midi_dir", type=Path)
    parser.add_argument("--kinds", nargs=2, default=["pop909", "chopin"], metavar="FOLDER")
    parser.add_argument("--works", type=int, default=8, help="of each kind at most, evenly spread")
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--model", default=None)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    checkpoint, muse = load_checkpoint(model_folder(options.model)), load(options.model)
    works = {kind: works_of(options.midi_dir, kind, options.works) for kind in options.kinds}
    found = {NO_STYLE: {w.name: judged(muse, w) for every in works.values() for w in every}, **{k: {} for k in works}}
    tuned: list[dict[str, object]] = []
    for fold in range(options.folds):
        left_out = {kind: every[fold :: options.folds] for kind, every in works.items()}
        for kind, every in works.items():
            style = tuned_on([work for work in every if work not in left_out[kind]], checkpoint)
            tuned.append({"kind": kind, "fold": fold, **style.facts})
            styled = muse.with_style(style)
            found[kind] |= {work.name: judged(styled, work) for some in left_out.values() for work in some}
    document = {"machine": platform.processor() or platform.machine(), "model": options.model or "default"}
    document |= {"recipe": {"steps": RECIPE.n_steps, "lr": RECIPE.lr}, **table(works, found), "tuned": tuned}
    write_atomically(options.out, (json.dumps(document, indent=1) + "\n").encode())


def works_of(midi_dir: Path, kind: str, n_works: int) -> list[Work]:
    """Return validation works of one sub-folder."""
    others = [folder.name for folder in midi_dir.iterdir() if folder.is_dir() and folder.name != kind]
    return list(load_works(midi_dir, n_pieces=n_works, exclude=tuple(others)).works)


def tuned_on(works: list[Work], checkpoint: Checkpoint) -> Style:
    """Tune a style as the command does."""
    style, learnt = tune(checkpoint, [work.parts for work in works], say=print)
    print(f"  {learnt.steps} steps, {learnt.before:.3f} to {learnt.after:.3f} on its own passages", flush=True)
    return style


def judged(muse: Muse, work: Work) -> Sums:
    """Return the bits and notes of a work's parts."""
    view = work.parts.views["full"]
    bars = np.linspace(0, view.n_bars - 4, N_PASSAGES + 1).round().astype(int)[1:]
    passages = [bits(muse, np.concatenate([view.head(bar), view.cut(bar, view.n_bars)])[:256]) for bar in bars.tolist()]
    of_bits, is_note = bits(muse, work.ids[:4096])
    return {
        OPENING: (float(of_bits[:256].sum()), int(is_note[:256].sum())),
        LONG: (float(of_bits.sum()), int(is_note.sum())),
        PASSAGES: (float(sum(b.sum() for b, _ in passages)), int(sum(n.sum() for _, n in passages))),
    }


def bits(muse: Muse, ids: NDArray[np.int32]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the bits of every token but those that are given, and which tokens are notes."""
    engine: Any = muse.engine
    vocabulary = muse.tokenizer.vocabulary
    whole = np.concatenate([[vocabulary.id("BOS_None")], ids]).astype(np.int32)
    return engine_bits(engine.prefill_all)(whole)[GIVEN - 1 :], vocabulary.kinds[whole[GIVEN:]] == "Pitch"


def table(works: dict[str, list[Work]], found: dict[str, dict[str, Sums]]) -> dict[str, Any]:
    """Return bits per note without a style, and for each style by how much they change; print both."""
    result: dict[str, Any] = {"bits_per_note": {}, "with_style": {}}
    for part in (OPENING, LONG, PASSAGES):
        for kind, every in works.items():
            usual = estimate(every, part, found[NO_STYLE], None)
            result["bits_per_note"].setdefault(part, {})[kind] = usual.to_json()
            print(f"{part}, {kind}, no style: {usual.value:.3f} ({usual.low:.3f} … {usual.high:.3f})")
            for style in works:
                change = estimate(every, part, found[style], found[NO_STYLE])
                result["with_style"].setdefault(style, {}).setdefault(part, {})[kind] = change.to_json()
                print(f"  style of {style}: {change.value:+.4f} ({change.low:+.4f} … {change.high:+.4f})")
    return result


def estimate(works: list[Work], part: str, found: dict[str, Sums], plain: dict[str, Sums] | None) -> Estimate:
    """Return bits per note, or by how much they differ from the plain ones of the same works."""
    more = [found[w.name][part][0] - (plain[w.name][part][0] if plain else 0.0) for w in works]
    return ratio(more, [found[w.name][part][1] for w in works], [w.work_id for w in works])


if __name__ == "__main__":
    main()
