"""Runs that train a part of a model: frozen parameters, LoRA that resumes exactly and leaves plain weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from pianomuse.checkpoint.store import load_checkpoint
from pianomuse.cli import main

SMALL = ["batch_size=2", "max_tokens=128", "validation_examples=2", "warmup_steps=2", "lr=0.01", "precision=float32"]


def run(dataset: Path, out: Path, *words: str, changes: tuple[str, ...] = ()) -> int:
    sets = [word for change in (*SMALL, *changes) for word in ("--set", change)]
    return main(["train", str(dataset), "--out", str(out), "--device", "cpu", "--seed", "5", *words, *sets])


@pytest.fixture(scope="module")
def base(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "base"
    assert run(dataset, out, "--preset", "debug", "--steps", "4") == 0
    return out / "best"


def test_a_frozen_part_stays_and_a_pattern_for_nothing_is_refused(
    base: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--init", str(base), "--steps", "3")
    assert run(dataset, tmp_path / "a", *words, changes=("freeze=emb.*, blocks.0.*",)) == 0
    assert "(emb.*, blocks.0.*)" in capsys.readouterr().err
    before, after = load_checkpoint(base).tensors, load_checkpoint(tmp_path / "a" / "checkpoints" / "step-3").tensors
    for name in before:
        assert np.array_equal(before[name], after[name]) is name.startswith(("emb.", "blocks.0.")), name
    assert run(dataset, tmp_path / "b", *words, changes=("freeze=embedding.*",)) == 2
    assert "fits no parameter" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_lora_resumes_exactly_and_saves_plain_weights_and_the_adapter_alone(
    base: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, lora = ("--init", str(base), "--steps", "6"), ("lora_rank=2", "lora_alpha=4")
    assert run(dataset, tmp_path / "whole", *words, changes=lora) == 0
    assert "LoRA of rank 2" in capsys.readouterr().err
    assert run(dataset, tmp_path / "broken", *words, changes=(*lora, "pause_at=3")) == 0
    assert run(dataset, tmp_path / "broken", "--resume", changes=("pause_at=0",)) == 0
    whole, broken = (tmp_path / name / "checkpoints" / "step-6" for name in ("whole", "broken"))
    for file in ("model.safetensors", "adapter.safetensors", "base.safetensors", "train.safetensors"):
        one, other = load_file(whole / file), load_file(broken / file)
        assert one.keys() == other.keys()
        for name, value in one.items():
            np.testing.assert_array_equal(value, other[name], err_msg=f"{file}: {name}")

    merged, before = load_checkpoint(whole).tensors, load_checkpoint(base).tensors
    adapter = load_file(tmp_path / "whole" / "best" / "adapter.safetensors")
    assert sum(value.size for value in adapter.values()) == 18 * 64 * 2 * 2  # 18 C r a layer
    changed = {name for name in before if not np.array_equal(before[name], merged[name])}
    assert changed == {name.removesuffix(".lora_A") + ".weight" for name in adapter if name.endswith(".lora_A")}
    stepped = load_file(whole / "adapter.safetensors")
    name = "blocks.1.ffn.value"
    low = 2.0 * stepped[f"{name}.lora_B"] @ stepped[f"{name}.lora_A"]
    np.testing.assert_allclose(merged[f"{name}.weight"], before[f"{name}.weight"] + low, atol=1e-6)


def test_lora_for_new_rows_is_refused(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(dataset, tmp_path / "run", "--preset", "debug", changes=("lora_rank=1000",)) == 2
    assert "lora_rank 1000" in capsys.readouterr().err
