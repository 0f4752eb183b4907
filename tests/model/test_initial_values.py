"""The initial values follow the official table."""

from __future__ import annotations

import math

import pytest
import torch

from pianomuse.checkpoint.config import ModelConfig
from pianomuse.errors import ConfigError
from pianomuse.model.presets import PRESETS, preset_config
from pianomuse.model.rwkv import PianoMuseRWKV

CONFIG = ModelConfig(vocab_size=300, n_layer=3, n_embd=128)


@pytest.fixture(scope="module")
def tensors() -> dict[str, torch.Tensor]:
    return PianoMuseRWKV(CONFIG, seed=1).state_dict()


def test_decay_logits_match_the_official_loop(tensors: dict[str, torch.Tensor]) -> None:
    for layer in range(3):
        ratio, C, N = layer / 2, 128, 64
        for n in range(C):
            z = ((n % N) - ((N - 1) / 2)) / ((N - 1) / 2)
            wanted = -6 + 6 * (n / (C - 1)) ** (1 + ratio**0.3) + 0.5 + z * abs(z) * 2.5
            assert tensors[f"blocks.{layer}.att.w0"][0, 0, n].item() == pytest.approx(wanted, abs=1e-5)


def test_mixes_match_the_official_loop(tensors: dict[str, torch.Tensor]) -> None:
    powers = {"x_r": 0.2, "x_w": 0.9, "x_k": 0.7, "x_v": 0.7, "x_a": 0.9, "x_g": 0.2}
    for layer in range(3):
        delta = 1 - layer / 3
        for name, factor in powers.items():
            wanted = torch.tensor([1 - (n / 128) ** (factor * delta) for n in range(128)])
            torch.testing.assert_close(tensors[f"blocks.{layer}.att.{name}"].flatten(), wanted)
        wanted = torch.tensor([1 - (n / 128) ** (delta**4) for n in range(128)])
        torch.testing.assert_close(tensors[f"blocks.{layer}.ffn.x_k"].flatten(), wanted)


def test_matrices_are_orthogonal_with_their_gains_or_zero(tensors: dict[str, torch.Tensor]) -> None:
    eye = torch.eye(128)
    for name, gain in {"att.receptance": 1.0, "att.value": 1.0, "att.key": 0.1, "ffn.key": 1.0}.items():
        W = tensors[f"blocks.1.{name}.weight"]
        torch.testing.assert_close(W.T @ W, gain**2 * eye, atol=1e-5, rtol=1e-4)
    head = tensors["head.weight"]
    torch.testing.assert_close(head.T @ head, 0.25 * 300 / 128 * eye, atol=1e-5, rtol=1e-4)
    w2 = tensors["blocks.1.att.w2"]  # more columns than rows: plain gain
    torch.testing.assert_close(w2 @ w2.T, 0.01 * torch.eye(len(w2)), atol=1e-6, rtol=1e-4)
    for name in ("att.output.weight", "ffn.value.weight", "att.w1", "att.a1", "att.v1", "att.g1"):
        assert not tensors[f"blocks.1.{name}"].any()
    assert 0.9e-4 < tensors["emb.weight"].abs().max() <= 1e-4


def test_constants_and_norms(tensors: dict[str, torch.Tensor]) -> None:
    for layer in range(3):
        torch.testing.assert_close(
            tensors[f"blocks.{layer}.att.ln_x.weight"], torch.full((128,), ((1 + layer) / 3) ** 0.7)
        )
        assert (tensors[f"blocks.{layer}.att.k_a"] == 1.02).all()
        assert (tensors[f"blocks.{layer}.att.r_k"] == -0.04).all()
        assert (tensors[f"blocks.{layer}.ln1.weight"] == 1).all()
        assert not tensors[f"blocks.{layer}.ln2.bias"].any()
    assert tensors["blocks.1.att.v0"][0, 0, 0].item() == pytest.approx(0.73 + 0.2)
    assert tensors["blocks.1.att.k_k"][0, 0, 127].item() == pytest.approx(0.71 - 0.05)


def test_a_new_model_gives_the_logits_of_its_embedding_alone(tensors: dict[str, torch.Tensor]) -> None:
    """Both branches end in a matrix of zeros, so every block begins as the identity."""
    model = PianoMuseRWKV(CONFIG, seed=1, wkv="reference").eval()
    ids = torch.arange(12)[None]
    with torch.no_grad():
        x = model.ln_out(model.blocks[0].ln0(model.emb(ids)))  # type: ignore[operator,union-attr]
        torch.testing.assert_close(model(ids), model.head(x))


def test_one_layer_and_the_seed() -> None:
    one = PianoMuseRWKV(ModelConfig(50, 1, 64), seed=1).state_dict()
    assert all(tensor.isfinite().all() for tensor in one.values())
    again = PianoMuseRWKV(ModelConfig(50, 1, 64), seed=1).state_dict()
    other = PianoMuseRWKV(ModelConfig(50, 1, 64), seed=2).state_dict()
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["head.weight"], other["head.weight"])


def test_presets_have_the_sizes_they_claim() -> None:
    from pianomuse.checkpoint.config import parameter_count

    millions = {name: parameter_count(preset_config(name, 761)) / 1e6 for name in PRESETS}
    assert millions["tiny"] == pytest.approx(7.4, abs=0.1)
    assert millions["small-piano"] == pytest.approx(24.2, abs=0.1)
    assert millions["small"] == pytest.approx(321, abs=1)
    assert parameter_count(preset_config("small", 65_536)) / 1e6 == pytest.approx(454, abs=1)
    assert math.isclose(millions["large"], 2621, rel_tol=1e-3)
    with pytest.raises(ConfigError, match="small-piano"):
        preset_config("huge", 761)
