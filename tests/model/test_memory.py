"""The memory arithmetic counts what PyTorch keeps."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import pytest
import torch

from pianomuse.checkpoint.config import ModelConfig
from pianomuse.errors import ConfigError
from pianomuse.model.memory import GIGABYTE, estimate_model_memory
from pianomuse.model.rwkv import PianoMuseRWKV


def kept_bytes(n_layer: int, n_embd: int, vocab_size: int, batch: int, length: int, precision: str) -> int:
    """Size of every tensor that the forward pass keeps for the backward pass, weights left out."""
    model = PianoMuseRWKV(ModelConfig(vocab_size, n_layer, n_embd), wkv="cpu").train()
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    ids = torch.randint(0, vocab_size, (batch, length))
    narrow: AbstractContextManager[object] = nullcontext()
    if precision == "bfloat16":
        narrow = torch.autocast("cpu", dtype=torch.bfloat16)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), narrow:
        torch.nn.functional.cross_entropy(model(ids).float().flatten(0, 1), ids.flatten())
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(("n_layer", "n_embd"), [(2, 128), (3, 192)])
def test_activations_are_what_the_forward_pass_keeps(n_layer: int, n_embd: int, precision: str) -> None:
    estimate = estimate_model_memory(n_layer, n_embd, 100, 2, 64, precision)
    measured = kept_bytes(n_layer, n_embd, 100, 2, 64, precision)
    assert estimate["activations_gb"] * GIGABYTE == pytest.approx(measured, rel=0.01)


def test_parameters_gradients_and_adamw_take_sixteen_bytes_a_parameter() -> None:
    model = PianoMuseRWKV(ModelConfig(100, 2, 64))
    estimate = estimate_model_memory(2, 64, 100, 1, 1)
    n = sum(p.numel() for p in model.parameters())
    assert estimate["model_params"] == n
    states = estimate["parameters_gb"] + estimate["gradients_gb"] + estimate["optimizer_gb"]
    assert states * GIGABYTE == pytest.approx(16 * n)
    assert estimate["total_gb"] == pytest.approx(states + estimate["activations_gb"])


def test_recomputing_blocks_saves_most_of_the_activations() -> None:
    plain = estimate_model_memory(24, 1024, 761, 8, 1024)
    saved = estimate_model_memory(24, 1024, 761, 8, 1024, checkpoint_blocks=True)
    assert saved["activations_gb"] < 0.2 * plain["activations_gb"]


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ConfigError, match="precision"):
        estimate_model_memory(2, 64, 100, 1, 1, "float8")
    with pytest.raises(ConfigError, match="batch_size"):
        estimate_model_memory(2, 64, 100, 0, 1)
