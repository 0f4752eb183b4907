"""Write bars again and keep something of them: their rhythm, their contour, then their harmony.

    python examples/vary.py [PIECE.mid] [--bars 3-6] [--model NAME|PATH] [--out DIR]

Writes two variations of each kind, the whole piece with the new bars, to DIR (default: here).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pianomuse as pm

HERE = Path(__file__).resolve().parent
KEPT: tuple[Literal["rhythm", "contour", "harmony"], ...] = ("rhythm", "contour", "harmony")


def main(arguments: Sequence[str] | None = None) -> list[Path]:
    """Write the variations; return where they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("piece", nargs="?", type=Path, default=HERE / "finished-phrase.mid")
    parser.add_argument("--bars", default="3-6")
    parser.add_argument("--model", default=None)
    parser.add_argument("--out", type=Path, default=Path())
    options = parser.parse_args(arguments)
    first, last = map(int, options.bars.split("-"))
    session = pm.load(options.model).session(options.piece)  # the piece is read once for both
    written = []
    for keep in KEPT:
        ideas = session.vary(first, last, keep=keep, candidates=2, seed=1).ideas()
        for idea in ideas:
            print(f"{keep} kept, {idea.number}: {idea.reason}, {idea.range}, {idea.ending}")
            name = f"{options.piece.stem}.{keep}-kept-{idea.number}.mid"
            written.append(idea.save_with_completion(options.out / name))
    return written


if __name__ == "__main__":
    main()
