"""Train the default model anew: `make train-default DATASET=datasets/piano OUT=runs/default`.

Follows recipes/default.toml: runs of `pianomuse train`, each from the best checkpoint of the one before; stopped and
started again it goes on. At the end OUT/default holds the weights as they ship, in int8 with a scale per row.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pianomuse.checkpoint.quantise import quantise
from pianomuse.checkpoint.store import load_checkpoint, save_checkpoint
from pianomuse.cli import main as pianomuse

RECIPE = Path(__file__).resolve().parent.parent / "recipes" / "default.toml"


def main() -> int:
    """Run the phases; return the first exit code that is not 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/default"))
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    recipe = tomllib.loads(arguments.recipe.read_text(encoding="utf-8"))
    last = arguments.out
    for folder, words in commands(recipe, arguments.dataset, arguments.out):
        if (folder / "finished").exists():
            last = folder
            continue
        print("pianomuse", *words, file=sys.stderr, flush=True)
        code = pianomuse([*words, "--device", arguments.device])
        if code:
            return code
        if not is_finished(folder, words):
            print("Stopped; the same command goes on from there.", file=sys.stderr)
            return 1
        (folder / "finished").touch()
        last = folder
    best = load_checkpoint(last / "best")
    weights = save_checkpoint(
        arguments.out / "default",
        best.config,
        quantise(best.tensors),
        tokenizer_json=best.tokenizer_json,
        card=best.card,
    )
    print(weights)
    return 0


def commands(recipe: dict[str, Any], dataset: Path, out: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield for each phase its run folder and the command that trains it, or goes on with it."""
    before: Path | None = None
    for phase in recipe["phase"]:
        folder = out / phase["name"]
        words = ["train", str(dataset), "--out", str(folder), "--steps", str(phase["steps"])]
        if (folder / "checkpoints").is_dir():
            words += ["--resume"]
        else:
            words += ["--preset", recipe["preset"]] if before is None else ["--init", str(before / "best")]
            words += [word for setting in phase["set"] for word in ("--set", setting)]
        yield folder, words
        before = folder


def is_finished(folder: Path, words: list[str]) -> bool:
    """Tell whether a run has made all of its steps."""
    steps = words[words.index("--steps") + 1]
    return (folder / "checkpoints" / f"step-{steps}").is_dir()


if __name__ == "__main__":
    sys.exit(main())
