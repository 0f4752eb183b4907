"""Do limits hold, and what do they cost? Thousands of bars under random limits, counted in the exported files.

    python benchmarks/limits.py [--noise 7000] [--real 3000] [--music FOLDER] [--name NAME]

Writes `benchmarks/results/NAME.json` (NAME is `limits`; parts that are not run anew stay). Most bars are written by a
model of noise on random pieces in odd metres, which wants what is not allowed all the time; `--real` of them by the
default model on the pieces of `tests/corpus` and `examples`. With `--music`, 50 files whose notes all lie on a plain
grid are continued too, and notes off that grid are counted. Cost is the processor time that limits take per token, each
of them and none, in turns.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import limit_requests as requests
import numpy as np

from pianomuse.api import load
from pianomuse.errors import PianoMuseError
from pianomuse.generate.asked import Asked, read_asked
from pianomuse.generate.caret import find_caret
from pianomuse.generate.compose import Order
from pianomuse.generate.constraints import IdeaConstraints
from pianomuse.generate.session import compose
from pianomuse.midi.read import Piece, read_midi

ROOT = Path(__file__).resolve().parents[1]
_FIRST = 500_000  # seeds of the default model's requests, apart from those of noise
COSTS: dict[str, dict[str, Any]] = {
    "key": {"key": "C"},
    "chords": {"chords": "Am | F | C G | E7"},
    "range": {"range": "C2-C6"},
    "notes per bar": {"notes_per_bar": "6-12"},
    "voices": {"voices": "2-4"},
    "all of them": {"chords": "Am | F | C G | E7", "range": "C2-C6", "notes_per_bar": "6-12", "voices": "2-4"},
    "keep rhythm": {"keep": "rhythm", "key": "C"},
    "keep contour": {"keep": "contour", "key": "C"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--noise", type=int, default=7_000, metavar="BARS")
    parser.add_argument("--real", type=int, default=3_000, metavar="BARS")
    parser.add_argument("--music", type=Path)
    parser.add_argument("--name", default="limits")
    options = parser.parse_args()
    muse = load(threads=1)
    files = [
        read_midi(path) for path in sorted(ROOT.glob("tests/corpus/*/*.mid")) + sorted(ROOT.glob("examples/*.mid"))
    ]
    out = ROOT / "benchmarks" / "results" / f"{options.name}.json"
    document: dict[str, Any] = json.loads(out.read_text("utf-8")) if out.exists() else {}
    document |= {"machine": machine(), "cost": cost(muse, files)}
    if options.noise:
        document["noise"] = noise(options.noise, muse.tokenizer)
    if options.real:
        document["default model"] = real(options.real, muse, files)
    if options.music:
        document["plain grid"] = plain_grid(muse, options.music)
    out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(document))


def machine() -> dict[str, Any]:
    names = [line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")]
    return {"processor": names[0] if names else platform.processor(), "processors": os.cpu_count()}


def noise(n_bars: int, tokenizer: Any) -> dict[str, Any]:
    """Bars by a model of noise on random pieces."""
    tally = Tally()
    seed = 0
    while tally.n_bars < n_bars:
        rng = np.random.default_rng([4, seed])
        piece = requests.random_piece(rng, requests.piece_of, requests.METRES[seed % len(requests.METRES)])
        tally.add(requests.try_random(requests.Noise(seed, 3.0 * (seed % 2)), tokenizer, piece, seed), f"seed {seed}")
        seed += 1
    return tally.document()


def real(n_bars: int, muse: Any, files: list[Piece]) -> dict[str, Any]:
    """Bars by the default model on real pieces."""
    tally = Tally()
    seed = _FIRST
    while tally.n_bars < n_bars:
        piece = files[seed % len(files)]
        where = f"{piece.path.name if piece.path else ''}, seed {seed}"
        tally.add(requests.try_random(muse.engine, muse.tokenizer, piece, seed, n_ideas=8), where)
        seed += 1
    return tally.document()


class Tally:
    """Add up what came of random requests."""

    def __init__(self) -> None:
        self.n_bars = self.n_notes = self.n_requests = self.n_refused = 0
        self.violations: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.started = time.process_time()

    def add(self, trial: requests.Trial, where: str) -> None:
        self.n_requests += 1
        self.n_refused += bool(trial.refusal)
        self.n_bars += trial.n_bars
        self.n_notes += trial.n_notes
        self.violations.update(trial.violations)
        self.asked.update(dict.fromkeys(trial.limits, trial.n_bars))
        if any(trial.violations.values()):
            print(f"{where}: {trial}", file=sys.stderr)

    def document(self) -> dict[str, Any]:
        return {
            "bars": self.n_bars,
            "notes": self.n_notes,
            "requests": self.n_requests,
            "refused": self.n_refused,
            "bars_by_limit": dict(sorted(self.asked.items())),
            "violations": sum(self.violations.values()),
            "violations_by_limit": dict(sorted(self.violations.items())),
            "processor_seconds": round(time.process_time() - self.started, 1),
        }


def plain_grid(muse: Any, folder: Path, n_files: int = 50) -> dict[str, Any]:
    """Continue files whose notes all lie on a plain grid; count notes off it."""
    n_notes = n_off = n_read = 0
    paths = sorted(path for path in folder.rglob("*.mid"))
    for path in (paths[int(i)] for i in np.random.default_rng(1).permutation(len(paths))):
        try:
            piece = read_midi(path)
            step = requests.plain_step(piece)
            if step is None:
                continue
            found = compose(muse.engine, muse.tokenizer, piece, find_caret(piece), Order(n_ideas=4, seed=1))
        except PianoMuseError:
            continue
        n_read += 1
        n_notes += sum(len(idea.notes) for idea in found.ideas)
        n_off += sum(requests.n_off_grid(piece, found.scene.caret, idea.notes, step) for idea in found.ideas)
        if n_read == n_files:
            break
    return {"files": n_read, "notes": n_notes, "notes_off_grid": n_off}


def cost(muse: Any, files: list[Piece], n_rounds: int = 6) -> dict[str, Any]:
    """Processor time per token for finding out what is allowed and taking it, by limit, in turns; and for the model."""
    spent: Counter[str] = Counter()
    n_tokens: Counter[str] = Counter()
    name = ""

    def timed(call: Callable[..., Any], n_each: int) -> Callable[..., Any]:
        def with_clock(*arguments: Any) -> Any:
            begun = time.process_time()
            result = call(*arguments)
            spent[name] += time.process_time() - begun
            n_tokens[name] += n_each
            return result

        return with_clock

    allowed, accept, step = IdeaConstraints.allowed, IdeaConstraints.accept, muse.engine.step
    pieces = [piece for piece in files if piece.grid.metre_of(0) == (4, 4)][:2]
    IdeaConstraints.allowed, IdeaConstraints.accept = timed(allowed, 0), timed(accept, 1)  # type: ignore[method-assign]
    try:
        for turn, piece, (named, options) in product(range(n_rounds), pieces, {"none": {}, **COSTS}.items()):
            name = named
            order = Order(n_ideas=8, seed=turn, asked=read_asked(**options) if options else Asked())
            compose(muse.engine, muse.tokenizer, piece, find_caret(piece, bars=4), order)
    finally:
        IdeaConstraints.allowed, IdeaConstraints.accept = allowed, accept  # type: ignore[method-assign]
    _, state = muse.engine.prefill(np.array([1], dtype=np.int32))
    rows, begun = state.repeat(8), time.process_time()
    for _ in range(50):
        step(np.full(8, 7, dtype=np.int32), rows)
    per_token = {name: round(1000 * spent[name] / n_tokens[name], 3) for name in spent}
    model = round(1000 * (time.process_time() - begun) / 400, 3)
    return {"unit": "milliseconds of processor time per token", "limits": per_token, "model, of eight at once": model}


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


if __name__ == "__main__":
    main()
