"""Give a melody its accompaniment: the right hand stays as it is, the left hand is written under it.

    python examples/harmonise.py [PIECE.mid] [--chords "Cm | G7 | Cm"] [--model NAME|PATH] [--out DIR]

Writes one file per idea, the whole piece with the new hand, to DIR (default: here).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pianomuse as pm

HERE = Path(__file__).resolve().parent


def main(arguments: Sequence[str] | None = None) -> list[Path]:
    """Write three accompaniments; return where they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("piece", nargs="?", type=Path, default=HERE / "right-hand.mid")
    parser.add_argument("--chords", default=None)
    parser.add_argument("--model", default=None)
    parser.add_argument("--out", type=Path, default=Path())
    options = parser.parse_args(arguments)
    ideas = pm.load(options.model).harmonise(options.piece, candidates=3, seed=1, chords=options.chords)
    print(ideas.headline)
    written = []
    for idea in ideas:
        print(f"{idea.number}: {idea.reason}, {idea.range}, {idea.ending}")
        written.append(idea.save_with_completion(options.out / f"{options.piece.stem}.harmonised-{idea.number}.mid"))
    return written


if __name__ == "__main__":
    main()
