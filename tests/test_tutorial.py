"""The commands of the training tutorial do what it says, in its order, with fewer steps."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from pianomuse.checkpoint.store import load_checkpoint
from pianomuse.cli import main
from pianomuse.midi.read import read_midi

ROOT = Path(__file__).resolve().parent.parent
TUTORIAL = ROOT / "docs" / "tutorial" / "train-your-own.md"
SMALL = ["batch_size=1", "max_tokens=160", "validation_examples=1"]
EVERY = ["validate_every=2", "sample_every=2", "checkpoint_every=2"]


def commands() -> list[list[str]]:
    """Return the commands of all blocks marked `sh`, in the order of the page."""
    blocks = re.findall(r"```sh\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.startswith("pianomuse ")]


def shortened(words: list[str]) -> list[str]:
    """Take two steps, or two more, in place of hundreds, and small batches where a run begins."""
    if words[0] != "train":
        return words
    place = words.index("--steps") + 1
    is_resumed = "--resume" in words
    changes = EVERY if is_resumed else [*SMALL, *EVERY]
    short = [*words[:place], "4" if is_resumed else "2", *words[place + 1 :], "--device", "cpu"]
    return [*short, *(word for change in changes for word in ("--set", change))]


def test_the_commands_of_the_tutorial_run(
    corpus: Path, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(corpus, "my-midi-files")
    shutil.copy(examples / "waltz-pickup.mid", "your-piece.mid")
    done = []
    for command in commands():
        words = shortened(command[1:])
        assert main(words) == 0, shlex.join(words)
        done.append(words[0])
    assert [done[0], done.count("train"), done.count("complete")] == ["prepare", 3, 2]

    assert load_checkpoint("runs/mine/best").config == load_checkpoint("runs/scratch/best").config
    assert {path.name for path in Path("runs/mine/samples").iterdir()} == {"step-2", "step-4"}
    ideas = sorted(Path().glob("ideas*/*.with-completion-*.mid"))
    assert len(ideas) == 6
    before = len(read_midi("your-piece.mid").score.tracks[0].notes)
    assert all(len(read_midi(path).score.tracks[0].notes) > before for path in ideas)
