"""An engine that begins with a tuned memory: as in PyTorch, in pieces as at once, and beside one that does not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from pianomuse.checkpoint.config import ModelConfig
from pianomuse.errors import RequestError
from pianomuse.model.adapters import add_time_state
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.model.weights import load_weights
from pianomuse.runtime.engine import CpuEngine

CONFIG = ModelConfig(vocab_size=97, n_layer=2, n_embd=64, head_size=32)
IDS = np.random.default_rng(2).integers(0, 97, 40).astype(np.int32)
MEMORY = np.random.default_rng(3).standard_normal((2, 2, 32, 32)).astype(np.float32)


@pytest.fixture(scope="module")
def weights(make_weights: Callable[..., dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return make_weights(CONFIG)


@pytest.fixture(scope="module")
def engine(weights: dict[str, np.ndarray]) -> CpuEngine:
    return CpuEngine(CONFIG, weights, threads=1)


@torch.no_grad()
def test_it_computes_what_pytorch_computes(engine: CpuEngine, weights: dict[str, np.ndarray]) -> None:
    model = PianoMuseRWKV(CONFIG, wkv="reference").eval()
    load_weights(model, weights)
    add_time_state(model)
    for layer, block in enumerate(model.blocks):
        block.att.time_state.copy_(torch.from_numpy(MEMORY[layer]))  # type: ignore[union-attr,operator]
    logits, state = model(torch.from_numpy(IDS)[None].long(), return_state=True)
    own, own_state = engine.beginning_with(MEMORY).prefill_all(IDS)
    np.testing.assert_allclose(own, logits[0].numpy(), atol=2e-4, rtol=1e-4)
    np.testing.assert_allclose(own_state.wkv, state.wkv.numpy(), atol=2e-4, rtol=1e-4)
    assert np.abs(own - engine.prefill_all(IDS)[0]).max() > 0.1


def test_it_begins_with_the_memory_and_never_comes_back_to_it(engine: CpuEngine) -> None:
    styled = engine.beginning_with(MEMORY)
    whole, end = styled.prefill(IDS)
    _, state = styled.prefill(IDS[:11])
    logits, again = styled.prefill(IDS[11:], state)
    np.testing.assert_array_equal(logits, whole)
    np.testing.assert_array_equal(again.wkv, end.wkv)
    np.testing.assert_array_equal(styled.prefill(IDS)[0], whole)  # reading changed nothing in the beginning


def test_the_engine_it_came_from_stays_as_it_was(engine: CpuEngine) -> None:
    plain = engine.prefill(IDS)[0]
    memory = MEMORY.copy()
    styled = engine.beginning_with(memory)
    first = styled.prefill(IDS)[0]
    memory[:] = 0
    np.testing.assert_array_equal(styled.prefill(IDS)[0], first)
    np.testing.assert_array_equal(engine.prefill(IDS)[0], plain)
    np.testing.assert_array_equal(styled.beginning_with(np.zeros_like(MEMORY)).prefill(IDS)[0], plain)


def test_a_memory_of_another_model_is_refused(engine: CpuEngine) -> None:
    with pytest.raises(RequestError, match="belongs to another model"):
        engine.beginning_with(MEMORY[:1])
