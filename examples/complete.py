"""Go on from where a piece stops.

    python examples/complete.py [PIECE.mid] [--bars 4] [--key Bb] [--model NAME|PATH] [--out DIR]

Writes one file per idea, the whole piece with the new bars, to DIR (default: here).
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
    parser.add_argument("piece", nargs="?", type=Path, default=HERE / "waltz-pickup.mid")
    parser.add_argument("--bars", type=int, default=4)
    parser.add_argument("--key", default=None, help="notes of this key only")
    parser.add_argument("--model", default=None)
    parser.add_argument("--out", type=Path, default=Path())
    options = parser.parse_args(arguments)
    muse = pm.load(options.model)
    ideas = muse.complete(options.piece, bars=options.bars, candidates=3, seed=1, key=options.key)
    print(ideas.headline)
    written = []
    for idea in ideas:
        print(f"{idea.number}: {idea.reason}, {idea.range}, {idea.ending}")
        written.append(idea.save_with_completion(options.out / f"{options.piece.stem}.completed-{idea.number}.mid"))
    return written


if __name__ == "__main__":
    main()
