"""Say where the music goes: a melody note and a chord on the way, and a close at the end.

    python examples/arrive.py [PIECE.mid] [--to "bar 10: Dm/A, melody A5"] [--ending close] [--out DIR]

Writes three ideas, the whole piece with the new bars, to DIR (default: here).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pianomuse as pm

HERE = Path(__file__).resolve().parent


def main(arguments: Sequence[str] | None = None) -> list[Path]:
    """Write the ideas; return where they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("piece", nargs="?", type=Path, default=HERE / "finished-phrase.mid")
    parser.add_argument("--to", default="bar 10: Dm/A, melody A5")
    parser.add_argument("--ending", choices=("open", "half", "close", "final"), default="close")
    parser.add_argument("--model", default=None)
    parser.add_argument("--out", type=Path, default=Path())
    options = parser.parse_args(arguments)
    ideas = pm.load(options.model).complete(
        options.piece, bars=4, candidates=3, seed=1, to=options.to, ending=options.ending
    )
    print(ideas.headline)
    written = []
    for idea in ideas:
        print(f"{idea.number}: {idea.reason}, {idea.range}, {idea.ending}")
        written.append(idea.save_with_completion(options.out / f"{options.piece.stem}.arrives-{idea.number}.mid"))
    return written


if __name__ == "__main__":
    main()
