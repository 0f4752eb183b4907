"""Checkpoint folders: whole or not at all, and read strictly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pianomuse.checkpoint.config import ModelConfig, low_rank, tensor_shapes
from pianomuse.checkpoint.quantise import dequantise, quantise, quantise_rows
from pianomuse.checkpoint.store import finish_replacing, load_checkpoint, save_checkpoint
from pianomuse.errors import CheckpointError

CONFIG = ModelConfig(vocab_size=20, n_layer=2, n_embd=64)
VOCABULARY = {"format": 1, "fingerprint": "abc", "tokens": ["PAD_None"]}


@pytest.fixture
def tensors() -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in tensor_shapes(CONFIG).items()}


@pytest.fixture
def folder(tmp_path: Path, tensors: dict[str, NDArray[np.float32]]) -> Path:
    return save_checkpoint(tmp_path / "model", CONFIG, tensors, tokenizer_json=VOCABULARY, card={"steps": 3})


def test_what_is_saved_comes_back(folder: Path, tensors: dict[str, NDArray[np.float32]]) -> None:
    checkpoint = load_checkpoint(folder)
    assert checkpoint.config == CONFIG
    assert checkpoint.vocabulary_fingerprint == "abc"
    assert checkpoint.tokenizer_json == VOCABULARY
    assert checkpoint.card == {"steps": 3}
    assert checkpoint.tensors.keys() == tensors.keys()
    for name, value in tensors.items():
        np.testing.assert_array_equal(checkpoint.tensors[name], value)


def test_int8_is_off_by_half_a_step_at_most_and_keeps_the_rest_exact(
    tmp_path: Path, tensors: dict[str, NDArray[np.float32]]
) -> None:
    tensors["head.weight"][3] = 0
    folder = save_checkpoint(tmp_path / "small", CONFIG, quantise(tensors), tokenizer_json=VOCABULARY)
    read = load_checkpoint(folder).tensors
    for name, value in tensors.items():
        if name.endswith(".weight") and value.ndim == 2:
            step = np.abs(value).max(axis=1, keepdims=True) / 127
            assert (np.abs(read[name] - value) <= step / 2 * (1 + 1e-5)).all(), name
            assert not np.array_equal(read[name], value)
        else:
            np.testing.assert_array_equal(read[name], value)
    assert not read["head.weight"][3].any()
    whole = (
        save_checkpoint(tmp_path / "whole", CONFIG, tensors, tokenizer_json=VOCABULARY) / "model.safetensors"
    ).stat()
    assert (folder / "model.safetensors").stat().st_size < 0.6 * whole.st_size  # much of so small a model is low-rank


def test_int8_rows_hit_their_ends() -> None:
    rows, scale = quantise_rows(np.array([[1.0, -2.0, 0.5], [0, 0, 0]], dtype=np.float32))
    assert rows.dtype == np.int8
    assert rows[0].tolist() == [64, -127, 32]
    assert scale.tolist() == pytest.approx([2 / 127, 0])


def test_saving_over_a_checkpoint_replaces_it_and_leaves_nothing_beside(
    folder: Path, tensors: dict[str, NDArray[np.float32]]
) -> None:
    tensors["head.weight"] += 1
    save_checkpoint(folder, CONFIG, tensors, tokenizer_json=VOCABULARY)
    np.testing.assert_array_equal(load_checkpoint(folder).tensors["head.weight"], tensors["head.weight"])
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    assert not (folder / "card.json").exists()


def test_a_save_that_fails_leaves_the_old_checkpoint(folder: Path, tensors: dict[str, NDArray[np.float32]]) -> None:
    with pytest.raises(TypeError):
        save_checkpoint(folder, CONFIG, tensors, tokenizer_json=VOCABULARY, card={"not json": object()})
    assert load_checkpoint(folder).card == {"steps": 3}


def test_all_files_follow_the_umask(tmp_path: Path, tensors: dict[str, NDArray[np.float32]]) -> None:
    before = os.umask(0o027)
    try:
        folder = save_checkpoint(tmp_path / "a", CONFIG, tensors, tokenizer_json=VOCABULARY, more_files={"x": b"x"})
    finally:
        os.umask(before)
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == dict.fromkeys(
        ("model.safetensors", "config.json", "tokenizer.json", "x"), 0o640
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot limit the size of files")
def test_a_full_disk_is_one_clear_error_and_the_old_checkpoint_stays(folder: Path) -> None:
    """The limit on the size of a file stands for the disk: the kernel refuses to write on."""
    code = f"""
import resource, sys
from pianomuse.checkpoint.store import finish_replacing, load_checkpoint, save_checkpoint
old = load_checkpoint({str(folder)!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
save_checkpoint({str(folder)!r}, old.config, old.tensors, tokenizer_json=old.tokenizer_json)
"""
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "StorageError" in child.stderr
    assert "File too large" in child.stderr
    assert "make room" in child.stderr
    assert load_checkpoint(folder).card == {"steps": 3}
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("is_written", [True, False])
def test_a_crash_between_the_two_renames_loses_nothing(
    folder: Path, tensors: dict[str, NDArray[np.float32]], is_written: bool
) -> None:
    folder.rename(folder.with_name(".model.old"))
    if is_written:
        save_checkpoint(folder, CONFIG, tensors, tokenizer_json=VOCABULARY, card={"steps": 4})
        folder.rename(folder.with_name(".model.partial"))
    folder.with_name(".model.old").mkdir(exist_ok=True)
    finish_replacing(folder)
    assert load_checkpoint(folder).card == {"steps": 4 if is_written else 3}


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_tensors_that_do_not_fit_are_refused_when_saving(
    tmp_path: Path, tensors: dict[str, NDArray[np.float32]], change: str
) -> None:
    if change == "missing":
        del tensors["blocks.1.att.v0"]
    elif change == "extra":
        tensors["blocks.0.att.v0"] = tensors["blocks.1.att.v0"]
    else:
        tensors["head.weight"] = tensors["head.weight"][:-1]
    with pytest.raises(CheckpointError, match=r"att\.v0|head\.weight"):
        save_checkpoint(tmp_path / "model", CONFIG, tensors, tokenizer_json=VOCABULARY)
    assert not (tmp_path / "model").exists()


def damage(folder: Path, how: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    if how == "no weights":
        (folder / "model.safetensors").unlink()
    elif how == "weights cut short":
        content = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(content[: len(content) // 2])
    elif how == "header claims gigabytes":
        (folder / "model.safetensors").write_bytes(b"\xff" * 7 + b"\x00" + b"{}")
    elif how == "config is a list":
        (folder / "config.json").write_text("[]")
    elif how == "config nested without end":
        (folder / "config.json").write_text("[" * 100_000)
    elif how == "another vocabulary":
        config["vocabulary"] = "xyz"
    elif how == "another version":
        config["version"] = 99
    elif how == "another size":
        config["model"]["n_layer"] = 3
    elif how == "huge size":
        config["model"]["n_embd"] = 10**9
    elif how == "unknown key":
        config["model"]["flavour"] = 1
    elif how == "ill-typed key":
        config["model"]["n_layer"] = "2"
    if "config" not in how:
        (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    "how",
    [
        "no weights",
        "weights cut short",
        "header claims gigabytes",
        "config is a list",
        "config nested without end",
        "another vocabulary",
        "another version",
        "another size",
        "huge size",
        "unknown key",
        "ill-typed key",
    ],
)
def test_a_damaged_folder_gets_one_clear_error(folder: Path, how: str) -> None:
    load_checkpoint(folder)
    damage(folder, how)
    with pytest.raises(CheckpointError, match=r"config\.json|model|checkpoint"):
        load_checkpoint(folder)


def test_a_missing_folder_and_scales_without_matrix_are_refused(
    tmp_path: Path, tensors: dict[str, NDArray[np.float32]]
) -> None:
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_checkpoint(tmp_path / "nothing")
    small = quantise(tensors)
    del small["head.weight.scale"]
    with pytest.raises(CheckpointError, match="without fitting scales"):
        dequantise(small)
    with pytest.raises(CheckpointError, match="belongs to no matrix"):
        dequantise({"head.weight.scale": np.ones(2, np.float32)})
    with pytest.raises(CheckpointError, match="float64"):
        dequantise({"head.weight": np.ones((2, 2))})


def test_ranks_follow_the_official_table_and_are_read_from_tensors() -> None:
    table = {128: (32, 32, 64), 256: (32, 32, 64), 384: (64, 32, 96), 512: (64, 32, 128), 768: (64, 32, 128)}
    table |= {1024: (64, 64, 160), 2048: (128, 64, 224)}
    for width, ranks in table.items():
        assert (low_rank(2.5, width), low_rank(1.7, width), low_rank(5.0, width)) == ranks
    older = ModelConfig(65_536, 12, 768, decay_rank=64, iclr_rank=64, value_rank=32, gate_rank=96)
    assert ModelConfig.from_tensors(tensor_shapes(older)) == older
    with pytest.raises(CheckpointError, match="multiple of head_size"):
        ModelConfig(20, 2, 65)
    shapes = tensor_shapes(older)
    with pytest.raises(CheckpointError, match="not complete"):
        ModelConfig.from_tensors({name: shape for name, shape in shapes.items() if "blocks.3." not in name})
    del shapes["blocks.0.att.r_k"]
    with pytest.raises(CheckpointError, match="r_k"):
        ModelConfig.from_tensors(shapes)
