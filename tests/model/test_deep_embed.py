"""DeepEmbed in the model: equal to the package `rwkv` under RWKV_DE_VERSION=1, and the identity where it is new."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pianomuse.checkpoint.config import ModelConfig, parameter_count, tensor_shapes
from pianomuse.checkpoint.official import read_pth, write_pth
from pianomuse.checkpoint.store import load_checkpoint, save_checkpoint
from pianomuse.model.compiled import use_loops
from pianomuse.model.rwkv import ModelState, PianoMuseRWKV
from pianomuse.model.weights import load_weights, weights_of
from pianomuse.runtime.engine import CpuEngine

CONFIG = ModelConfig(vocab_size=48, n_layer=2, n_embd=64, deep_embed_rank=32)
IDS = torch.randint(0, 48, (1, 60), generator=torch.Generator().manual_seed(1))

# The package reads its environment while it is imported, so it runs in a process of its own.
PACKAGE = """
import sys, warnings
import numpy as np, torch
warnings.simplefilter("ignore")
from rwkv.model import RWKV
model, ids = RWKV(sys.argv[1], "cpu fp32"), np.load(sys.argv[2]).tolist()
logits, state = model.forward(ids[:40], None, full_output=True)
rows = [logits]
for token in ids[40:]:
    row, state = model.forward(token, state)
    rows.append(row[None])
np.save(sys.argv[3], torch.cat(rows).numpy())
"""


def living_model(config: ModelConfig = CONFIG, *, wkv: str = "reference") -> PianoMuseRWKV:
    """A model in which every tensor matters."""
    model = PianoMuseRWKV(config, wkv=wkv).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(noise / parameter.shape[-1] ** 0.5 if parameter.dim() == 2 else 0.3 * noise)
    return model


@torch.no_grad()
def test_logits_are_those_of_the_package_in_prefill_and_steps_in_the_model_and_in_the_engine(tmp_path: Path) -> None:
    model = living_model()
    write_pth(tmp_path / "model.pth", weights_of(model))
    np.save(tmp_path / "ids.npy", IDS[0].numpy())
    environment = {**os.environ, "RWKV_V7_ON": "1", "RWKV_CUDA_ON": "0", "RWKV_JIT_ON": "1", "RWKV_DE_VERSION": "1"}
    command = [sys.executable, "-c", PACKAGE, *(str(tmp_path / name) for name in ("model", "ids.npy", "out.npy"))]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    theirs = np.load(tmp_path / "out.npy")
    assert theirs.std() > 0.5

    logits, state = model(IDS[:, :40], return_state=True)  # fewer tokens than the vocabulary: looked up one by one
    np.testing.assert_allclose(logits[0].numpy(), theirs[:40], atol=1e-4)
    for token, row in zip(IDS[0, 40:], theirs[40:], strict=True):
        logits, state = model(token.view(1, 1), state=state, return_state=True)
        np.testing.assert_allclose(logits[0, 0].numpy(), row, atol=1e-4)
    np.testing.assert_allclose(model(IDS)[0].numpy(), theirs, atol=1e-4)  # more: through the whole vocabulary
    engine = CpuEngine(CONFIG, weights_of(model), threads=1)
    np.testing.assert_allclose(engine.prefill_all(IDS[0].numpy())[0], theirs, atol=1e-4)


@torch.no_grad()
def test_where_it_is_new_the_logits_are_those_without_it() -> None:
    plain = living_model(ModelConfig(48, 2, 64))
    new = PianoMuseRWKV(CONFIG, wkv="reference").eval()
    load_weights(new, {**weights_of(new), **weights_of(plain)})
    torch.testing.assert_close(new(IDS), plain(IDS), atol=0, rtol=0)


def test_every_tensor_of_it_learns_within_three_steps() -> None:
    model = PianoMuseRWKV(CONFIG, wkv="reference").train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0)
    for _ in range(3):  # the output projection begins at zero, then s2, then the tokens' matrices
        loss = torch.nn.functional.cross_entropy(model(IDS)[0, :-1], IDS[0, 1:])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
    still = [
        name for name, tensor in model.state_dict().items() if ".ffn.s" in name and torch.equal(tensor, before[name])
    ]
    assert not still


@pytest.mark.parametrize("way", ["loops", "recomputed blocks"])
def test_logits_and_every_gradient_are_those_of_the_plain_form(way: str) -> None:
    def run(model: PianoMuseRWKV) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        ids, mask = IDS.view(2, 30), torch.ones(2, 30)
        mask[1, :11] = 0
        empty = model.empty_state(2)
        state = ModelState(empty.shift + 0.1, empty.wkv + 0.1)
        logits, after = model.train()(ids, attention_mask=mask, state=state, return_state=True)
        ((logits * torch.linspace(-1, 1, logits.numel()).view_as(logits)).sum() + after.shift.square().sum()).backward()
        return logits.detach(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}

    logits, gradients = run(living_model(wkv="cpu"))
    other = living_model(wkv="cpu")
    if way == "loops":
        use_loops(other)
    else:
        other.checkpoint_blocks = True
    other_logits, other_gradients = run(other)
    assert len(gradients) == len(tensor_shapes(CONFIG))
    torch.testing.assert_close(other_logits, logits, atol=1e-4, rtol=1e-4)
    for name, gradient in gradients.items():
        error = (other_gradients[name] - gradient).norm() / gradient.norm().clamp(min=1e-6)
        assert error < 2e-5, f"{name}: {error}"


def test_sizes_are_read_from_the_tensors_and_files_give_them_back(tmp_path: Path) -> None:
    model = living_model()
    weights = weights_of(model)
    assert {name: value.shape for name, value in weights.items()} == tensor_shapes(CONFIG)
    assert parameter_count(CONFIG) == sum(value.size for value in weights.values())
    assert ModelConfig.from_tensors({name: value.shape for name, value in weights.items()}) == CONFIG
    save_checkpoint(tmp_path / "model", CONFIG, weights, tokenizer_json={"fingerprint": "abc"})
    read = load_checkpoint(tmp_path / "model")
    assert read.config == CONFIG
    official = read_pth(write_pth(tmp_path / "model.pth", weights))
    for name, value in weights.items():
        np.testing.assert_array_equal(read.tensors[name], value)
        np.testing.assert_array_equal(official[name], value)
    assert "deep_embed_rank" not in ModelConfig(48, 2, 64).to_json()  # a plain model's file stays as it was
