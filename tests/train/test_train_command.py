"""`pianomuse train` on real music: it starts, stops, goes on, and starts from other weights."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from pianomuse.checkpoint.store import load_checkpoint
from pianomuse.cli import main
from pianomuse.errors import ConfigError
from pianomuse.train.command import SECTIONS, override_sections

QUICK = ["--preset", "debug", "--device", "cpu", "--json"]
SMALL = ["batch_size=2", "max_tokens=128", "validation_examples=2", "warmup_steps=2", "lr=0.005", "precision=float32"]
SETS = [word for assignment in SMALL for word in ("--set", assignment)]


@pytest.fixture(scope="module")
def trained(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "first"
    assert main(["train", str(dataset), "--out", str(out), "--steps", "12", "--seed", "5", *QUICK, *SETS]) == 0
    return out


def test_a_run_on_real_scores_learns_and_can_be_gone_on_with(
    trained: Path, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tomllib.loads((trained / "config.toml").read_text(encoding="utf-8"))
    assert settings["train"]["seed"] == settings["batches"]["seed"] == 5
    assert settings["run"]["preset"] == "debug"

    assert main(["train", str(dataset), "--out", str(trained), "--resume", "--steps", "16", *QUICK]) == 0
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert result["step"] == 16
    assert "parameters on cpu (float32)" in said.err
    best = load_checkpoint(trained / "best")
    assert best.card["valid_bits_per_note"] == result["best_bits_per_note"]
    losses = [json.loads(line).get("loss") for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert next(loss for loss in losses if loss is not None) < np.log(best.config.vocab_size)
    assert sorted(path.name for path in (trained / "checkpoints").iterdir()) == ["step-12", "step-16"]


def test_a_run_is_not_overwritten_and_mistakes_get_one_line(
    trained: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, answer in (
        (["--out", str(trained)], "--resume"),
        (["--out", str(tmp_path / "a"), "--set", "flavour=1"], "flavour"),
        (["--out", str(tmp_path / "b"), "--preset", "huge"], "small-piano"),
        (["--out", str(tmp_path / "c"), "--init", str(tmp_path)], "config.json"),
        (["--out", str(tmp_path / "d"), "--resume"], "config.toml"),
        (["--out", str(tmp_path / "e"), "--preset", "debug", "--device", "cpu", "--set", "wkv=triton"], "CUDA tensors"),
    ):
        assert main(["train", str(dataset), *words]) == 2
        said = capsys.readouterr()
        assert answer in said.err
        assert len(said.err.strip().splitlines()) == 1
        assert said.out == ""
    assert not list(tmp_path.iterdir())


def test_settings_are_found_in_whatever_section_has_them() -> None:
    sections = override_sections({name: cls() for name, cls in SECTIONS.items()}, ["hand=0.5", "seed=7", "lr=0.1"])
    assert sections["mix"].hand == 0.5
    assert sections["train"].seed == sections["batches"].seed == 7
    with pytest.raises(ConfigError, match=r"flavour.*known are.*weight_decay"):
        override_sections(sections, ["flavour=1"])


def test_all_settings_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--list-settings"]) == 0
    out = capsys.readouterr().out
    assert "weight_decay (0.1): of the large matrices" in out
    assert "[mix]" in out
