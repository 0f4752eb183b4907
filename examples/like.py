"""Ask for more like one idea: its start, its rhythm, its harmony; calmer or bolder.

    python examples/like.py [PIECE.mid] [--model NAME|PATH] [--out DIR]

Writes one idea and four that are like it, the whole piece with the new bars, to DIR (default: here).
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
    parser.add_argument("--model", default=None)
    parser.add_argument("--out", type=Path, default=Path())
    options = parser.parse_args(arguments)
    muse = pm.load(options.model)
    ideas = muse.complete(options.piece, bars=4, candidates=2, seed=1)
    first = ideas[0]
    likes = {
        "same start": muse.like(ideas, first.number, same="start", beats=4, candidates=1, seed=2),
        "same rhythm": muse.like(ideas, first.number, same="rhythm", candidates=1, seed=2),
        "same harmony, bolder": muse.like(ideas, first.number, same="harmony", mood="bolder", candidates=1, seed=2),
        "calmer": muse.like(ideas, first.number, mood="calmer", candidates=1, seed=2),
    }
    print(f"an idea: {first.reason}, {len(first.notes)} notes, {first.range}")
    written = [first.save_with_completion(options.out / f"{options.piece.stem}.idea.mid")]
    for name, found in likes.items():
        like = found[0]
        print(f"{name}: {like.reason}, {len(like.notes)} notes, {like.range}, {like.ending}")
        path = options.out / f"{options.piece.stem}.{name.replace(', ', '-').replace(' ', '-')}.mid"
        written.append(like.save_with_completion(path))
    return written


if __name__ == "__main__":
    main()
