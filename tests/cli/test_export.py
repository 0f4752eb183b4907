"""`pianomuse export`: files that PyTorch, safetensors and the package `rwkv` read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from pianomuse.api import model_folder
from pianomuse.checkpoint.config import ModelConfig, tensor_shapes
from pianomuse.checkpoint.quantise import dequantise, quantise
from pianomuse.checkpoint.store import load_checkpoint, save_checkpoint
from pianomuse.cli import main
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.model.weights import load_weights, weights_of
from pianomuse.runtime.engine import CpuEngine
from pianomuse.runtime.state import State

CONFIG = ModelConfig(vocab_size=48, n_layer=2, n_embd=64)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    model, generator = PianoMuseRWKV(CONFIG), torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    (tmp_path / "mine").mkdir()
    save_checkpoint(tmp_path / "mine" / "best", CONFIG, weights_of(model), tokenizer_json={"fingerprint": "abc"})
    return tmp_path / "mine"


def test_the_best_of_a_run_runs_in_the_package(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(run_folder.parent)
    assert main(["export", str(run_folder)]) == 0
    assert capsys.readouterr().out.strip() == "mine.pth"
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "from rwkv.model import RWKV\nimport numpy as np\n"
        "logits, _ = RWKV('mine', 'cpu fp32').forward(list(range(20)), None, full_output=True)\n"
        "np.save('out.npy', logits.numpy())"
    )
    environment = {**os.environ, "RWKV_V7_ON": "1", "RWKV_CUDA_ON": "0", "RWKV_JIT_ON": "1"}
    environment.pop("RWKV_DE_VERSION", None)
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True)
    model = PianoMuseRWKV(CONFIG, wkv="reference").eval()
    load_weights(model, load_checkpoint(run_folder / "best").tensors)
    with torch.no_grad():
        ours = model(torch.arange(20)[None])[0].numpy()
    assert ours.std() > 0.5
    np.testing.assert_allclose(np.load("out.npy"), ours, atol=1e-4)


def test_the_model_that_ships_is_written_in_both_formats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = load_checkpoint(model_folder(None))
    pth, safe = tmp_path / "a.pth", tmp_path / "a.safetensors"
    assert main(["export", "default", "--out", str(pth)]) == 0
    assert ("int8" in capsys.readouterr().err) == checkpoint.is_quantised
    assert main(["export", "default", "--format", "safetensors", "--out", str(safe), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["file"] == str(safe)
    for tensors in (torch.load(pth, weights_only=True), load_file(safe)):
        assert tensors.keys() == checkpoint.tensors.keys()
        for name, value in checkpoint.tensors.items():
            np.testing.assert_array_equal(np.asarray(tensors[name]), value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pth", "a.safetensors"]


def test_int8_weights_are_dequantised_and_it_is_said(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = quantise(load_checkpoint(run_folder / "best").tensors)
    small = save_checkpoint(tmp_path / "small", CONFIG, codes, tokenizer_json={"fingerprint": "abc"})
    out = tmp_path / "small.pth"
    assert main(["export", str(small), "--out", str(out)]) == 0
    assert "The weights were int8" in capsys.readouterr().err
    written = torch.load(out, weights_only=True)
    for name, value in dequantise(codes).items():
        np.testing.assert_array_equal(written[name].numpy(), value)


def test_mistakes_get_one_line_and_nothing_is_overwritten(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "there.pth"
    there.write_bytes(b"precious")
    for words, answer in (
        ([str(run_folder), "--out", str(there)], "--force"),
        ([str(run_folder), "--out", str(tmp_path / "no" / "x.pth")], "folder that exists"),
        ([str(run_folder), "--format", "gguf", "--out", str(tmp_path / "x")], "pth, safetensors or onnx"),
        (["nobody"], "CKPT nobody"),
        ([str(tmp_path)], "no model in this folder"),
    ):
        assert main(["export", *words]) == 2
        said = capsys.readouterr()
        assert answer in said.err
        assert len(said.err.strip().splitlines()) == 1
    assert there.read_bytes() == b"precious"
    assert main(["export", str(run_folder), "--out", str(there), "--force"]) == 0
    assert set(torch.load(there, weights_only=True)) == set(load_checkpoint(run_folder / "best").tensors)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("rank", [0, 32], ids=["plain", "with DeepEmbed"])
def test_an_onnx_graph_gives_our_logits_with_its_state_fed_back(
    rank: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import onnxruntime

    config = ModelConfig(vocab_size=48, n_layer=2, n_embd=64, deep_embed_rank=rank)
    generator = np.random.default_rng(3)
    tensors = {
        name: generator.normal(1 if "ln" in name and "weight" in name else 0, 0.15, shape).astype(np.float32)
        for name, shape in tensor_shapes(config).items()
    }
    save_checkpoint(tmp_path / "mine", config, tensors, tokenizer_json={"fingerprint": "abc"})
    monkeypatch.chdir(tmp_path)
    assert main(["export", "mine", "--to", "onnx"]) == 0
    assert "Checked in onnxruntime" in capsys.readouterr().err
    session = onnxruntime.InferenceSession(str(tmp_path / "mine.onnx"), providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map["vocabulary"] == "abc"
    engine, state = CpuEngine(config, tensors), State.empty(config, 3)
    shift, wkv = np.zeros_like(state.shift), np.zeros_like(state.wkv)
    for ids in generator.integers(0, 48, (30, 3)):
        ours = engine.step(ids, state)
        logits, shift, wkv = session.run(["logits", "next_shift", "next_wkv"], {"ids": ids, "shift": shift, "wkv": wkv})
        np.testing.assert_allclose(logits, ours, atol=1e-4)
    assert ours.std() > 0.3
    np.testing.assert_allclose(wkv, state.wkv, atol=1e-4)
    np.testing.assert_allclose(shift, state.shift, atol=1e-4)


def test_without_the_extra_onnx_it_is_said_what_to_install(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main(["export", str(run_folder), "--format", "onnx", "--out", str(tmp_path / "x.onnx")]) == 2
    assert "pip install 'pianomuse[onnx]'" in capsys.readouterr().err
    assert not (tmp_path / "x.onnx").exists()


def test_a_graph_that_differs_from_our_engine_is_not_written(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pianomuse.runtime.onnx_export._DECAY_LIMIT", 0.5)
    assert main(["export", str(run_folder), "--format", "onnx", "--out", str(tmp_path / "x.onnx")]) == 1
    assert not (tmp_path / "x.onnx").exists()
