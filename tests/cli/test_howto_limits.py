"""The commands of docs/howto/limits.md do what is said there."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from pianomuse.checkpoint.config import ModelConfig, tensor_shapes
from pianomuse.checkpoint.store import save_checkpoint
from pianomuse.cli import main
from pianomuse.tokens.vocabulary import piano_vocabulary

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "howto" / "limits.md").read_text("utf-8")
COMMANDS = [line.strip() for line in PAGE.splitlines() if line.startswith("    pianomuse ")]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights."""
    vocabulary = piano_vocabulary()
    config = ModelConfig(vocab_size=len(vocabulary), n_layer=1, n_embd=64)
    rng = np.random.default_rng(5)
    tensors = {
        name: rng.normal(0, 1.0 if len(shape) == 1 else 0.2, shape).astype(np.float32)
        for name, shape in tensor_shapes(config).items()
    }
    return save_checkpoint(
        tmp_path_factory.mktemp("models") / "random", config, tensors, tokenizer_json=vocabulary.to_json()
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_runs_and_says_its_limits(
    command: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(command)[1:]
    words[1] = shutil.copy(ROOT / words[1], tmp_path)
    assert main([*words, "--candidates", "1", "--seed", "1", "--json", "--model", str(model)]) == 0
    limits = json.loads(capsys.readouterr().out)["limits"]
    asked = [word.removeprefix("--") for word in words if word.startswith("--")]
    assert set(asked) - {"bars", "from-bar", "to-bar"} == set(limits)


def test_the_page_shows_every_limit() -> None:
    shown = {word for command in COMMANDS for word in command.split() if word.startswith("--")}
    assert shown >= {
        "--key", "--scale", "--chromatic", "--chords", "--chords-strict", "--range", "--notes-per-bar", "--voices",
        "--hand", "--keep", "--keep-from",
    }  # fmt: skip


def test_what_cannot_hold_is_refused_in_one_line_as_the_page_says(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    piece = shutil.copy(ROOT / "examples" / "finished-phrase.mid", tmp_path)
    code = main(["complete", piece, "--key", "C", "--range", "C#4-C#4", "--model", str(model)])
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert captured.err.strip() in PAGE
    assert not list(tmp_path.glob("* ideas"))
