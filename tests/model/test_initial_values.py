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


def _exact(name: str, layer: int, n: int) -> float | None:
    """Write out the table of RWKV-LM (RWKV-v7/train_temp/src/model.py) for channel n; None where chance decides."""
    C, L, N = CONFIG.n_embd, CONFIG.n_layer, CONFIG.head_size
    rho, delta, d, lin = layer / (L - 1), 1 - layer / L, n / C, n / (C - 1) - 0.5
    z = ((n % N) - (N - 1) / 2) / ((N - 1) / 2)
    mixes = {"x_r": 0.2, "x_g": 0.2, "x_w": 0.9, "x_a": 0.9, "x_k": 0.7, "x_v": 0.7}
    if name.startswith("att.x_"):
        return 1 - d ** (mixes[name.removeprefix("att.")] * delta)
    values = {
        "ffn.x_k": 1 - d ** (delta**4),
        "att.w0": -6 + 6 * (n / (C - 1)) ** (1 + rho**0.3) + 0.5 + 2.5 * z * abs(z),
        "att.a0": -0.19 + 0.3 * z * abs(z) + 0.4 * lin,
        "att.v0": 0.73 - 0.4 * lin,
        "att.k_k": 0.71 - 0.1 * lin,
        "att.k_a": 1.02,
        "att.r_k": -0.04,
        "att.ln_x.weight": ((1 + layer) / L) ** 0.7,
    }
    zeros = ("att.w1", "att.a1", "att.v1", "att.g1", "att.output.weight", "ffn.value.weight")
    if name in zeros or name.endswith(".bias"):
        return 0.0
    return values.get(name, 1.0 if "ln" in name else None)


def _gain(name: str, rows: int, columns: int) -> float:
    """Return the gain of an orthogonal matrix."""
    wide = max(1.0, (rows / columns) ** 0.5)
    gains = {"head.weight": 0.5 * wide, "att.key.weight": 0.1}
    return gains.get(name, 0.1 * wide if name[-2:] in ("w2", "a2", "v2", "g2") else 1.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_every_tensor_has_its_statistics_in_every_dtype(dtype: torch.dtype) -> None:
    """Where a formula gives the values, all of them; where chance does, mean, spread and range."""
    eps = torch.finfo(dtype).eps
    counted = {"exact": 0, "orthogonal": 0}
    for full_name, tensor in PianoMuseRWKV(CONFIG, seed=3).to(dtype).state_dict().items():
        assert tensor.dtype == dtype
        parts = full_name.split(".")
        layer, name = (int(parts[1]), ".".join(parts[2:])) if parts[0] == "blocks" else (0, full_name)
        values = tensor.double()
        if name == "emb.weight":
            assert values.abs().max() <= 1e-4 * (1 + eps)
            assert values.std().item() == pytest.approx(1e-4 / 3**0.5, rel=0.02)
            assert abs(values.mean().item()) < 4e-4 / values.numel() ** 0.5
        elif _exact(name, layer, 0) is not None:
            wanted = torch.tensor([_exact(name, layer, n) for n in range(CONFIG.n_embd)], dtype=torch.float64)
            found = values.flatten()
            if len(found) != CONFIG.n_embd:  # the same value everywhere
                wanted = wanted[:1].expand(len(found))
            torch.testing.assert_close(found, wanted, rtol=eps, atol=2e-6 if dtype == torch.float32 else eps)
            counted["exact"] += 1
        else:
            rows, columns = tensor.shape
            energy = _gain(name, rows, columns) ** 2 * min(rows, columns)  # the squares of an orthogonal matrix
            assert values.square().sum().item() == pytest.approx(energy, rel=max(eps, 1e-5)), full_name
            assert abs(values.mean()) < 5 * values.std() / values.numel() ** 0.5, full_name
            counted["orthogonal"] += 1
    # layer 0 has no v0, v1, v2; besides the layers there are ln0, ln_out and the head
    assert counted == {"exact": 3 * 25 - 2 + 4, "orthogonal": 3 * 8 - 1 + 1}
