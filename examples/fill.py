"""Fill bars that are missing, heard from both sides.

    python examples/fill.py [PIECE.mid] [--bars 9-12] [--model NAME|PATH] [--out DIR]

Writes one file per idea, the whole piece with the bars filled, to DIR (default: here).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pianomuse as pm

HERE = Path(__file__).resolve().parent


def main(arguments: Sequence[str] | None = None) -> list[Path]:
    """Write three ideas; return where they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("piece", nargs="?", type=Path, default=HERE / "gap-of-four-bars.mid")
    parser.add_argument("--bars", default="9-12", help="first and last bar to write")
    parser.add_argument("--model", default=None)
    parser.add_argument("--out", type=Path, default=Path())
    options = parser.parse_args(arguments)
    first, last = map(int, options.bars.split("-"))
    ideas = pm.load(options.model).fill(options.piece, first, last, candidates=3, seed=1)
    print(ideas.headline)
    written = []
    for idea in ideas:
        print(f"{idea.number}: {idea.reason}, {idea.range}, {idea.ending}")
        written.append(idea.save_with_completion(options.out / f"{options.piece.stem}.filled-{idea.number}.mid"))
    return written


if __name__ == "__main__":
    main()
