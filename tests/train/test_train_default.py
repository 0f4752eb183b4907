"""The recipe of the default model: phases follow one another, a stopped one goes on, and int8 weights come out."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from pianomuse.checkpoint.store import load_checkpoint
from pianomuse.settings import read_toml
from pianomuse.train.command import SECTIONS, override_sections

ROOT = Path(__file__).resolve().parents[2]
QUICK = ["batch_size=2", "max_tokens=128", "validation_examples=2", "warmup_steps=1", "precision=float32"]
RECIPE = f"""
preset = "debug"
[[phase]]
name = "first"
steps = 2
set = {QUICK}
[[phase]]
name = "second"
steps = 3
set = {[*QUICK, "seed=4"]}
"""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_default_script", ROOT / "scripts" / "train_default.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_phases_follow_one_another_and_end_in_weights_as_they_ship(
    script: ModuleType,
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    recipe, out = tmp_path / "recipe.toml", tmp_path / "run"
    recipe.write_text(RECIPE, encoding="utf-8")
    words = ["train_default", str(dataset), "--out", str(out), "--recipe", str(recipe), "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", words)
    assert script.main() == 0
    assert load_checkpoint(out / "default").config.n_layer == 2
    assert load_checkpoint(out / "default").card["step"] == load_checkpoint(out / "second" / "best").card["step"]
    assert read_toml(out / "second" / "config.toml", SECTIONS)["run"].init == str(out / "first" / "best")
    capfd.readouterr()
    (out / "second" / "finished").unlink()  # as after a stop
    assert script.main() == 0
    told = capfd.readouterr().err
    assert "--resume" in told
    assert "first" not in told.splitlines()[0]


def test_the_recipes_that_ship_are_settings_there_are(script: ModuleType) -> None:
    import tomllib

    recipe = tomllib.loads((ROOT / "recipes" / "default.toml").read_text(encoding="utf-8"))
    for phase in recipe["phase"]:
        override_sections({name: kind() for name, kind in SECTIONS.items()}, phase["set"])
    reference = read_toml(ROOT / "recipes" / "attention.toml", SECTIONS)
    assert reference["train"].n_steps == sum(phase["steps"] for phase in recipe["phase"])
    assert reference["run"].preset == recipe["preset"]
