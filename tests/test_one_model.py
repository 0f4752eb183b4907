"""The default model is one model everywhere: the package `rwkv`, PyTorch and the CPU engine agree on a real piece."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from pianomuse.api import model_folder
from pianomuse.checkpoint.official import write_pth
from pianomuse.checkpoint.store import Checkpoint, load_checkpoint
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.model.weights import load_weights
from pianomuse.runtime.engine import CpuEngine
from pianomuse.tokens.tokenizer import PianoTokenizer

N_TOKENS = 160


@pytest.fixture(scope="module")
def package() -> ModuleType:
    os.environ.update(RWKV_V7_ON="1", RWKV_CUDA_ON="0", RWKV_JIT_ON="1")  # it reads them while it is imported
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript calls itself deprecated
        import rwkv.model as module
    return module


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return load_checkpoint(model_folder(None))


@pytest.fixture
def ids(examples: Path) -> np.ndarray:
    return PianoTokenizer().tokenize_midi(examples / "waltz-pickup.mid")[:N_TOKENS]


@torch.no_grad()
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_trained_weights_give_the_same_logits_and_state_in_all_three(
    package: ModuleType, checkpoint: Checkpoint, ids: np.ndarray, tmp_path: Path
) -> None:
    path = write_pth(tmp_path / "model.pth", checkpoint.tensors)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = package.RWKV(str(path.with_suffix("")), "cpu fp32")
        theirs, their_state = oracle.forward(ids.tolist(), None, full_output=True)
    model = PianoMuseRWKV(checkpoint.config, wkv="reference").eval()
    load_weights(model, checkpoint.tensors)
    logits, state = model(torch.from_numpy(ids.astype(np.int64))[None], return_state=True)
    engine = CpuEngine(checkpoint.config, checkpoint.tensors)
    first, engine_state = engine.prefill_all(ids[:100], None)
    second, engine_state = engine.prefill_all(ids[100:], engine_state)

    np.testing.assert_allclose(logits[0].numpy(), theirs.numpy(), atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(np.concatenate([first, second]), theirs.numpy(), atol=1e-4, rtol=1e-4)
    for layer in range(checkpoint.config.n_layer):
        for ours in (state.wkv[layer, 0].numpy(), engine_state.wkv[layer, 0]):
            np.testing.assert_allclose(ours, their_state[3 * layer + 1].numpy(), atol=1e-4, rtol=1e-4)


def test_eight_bits_cost_the_default_model_next_to_nothing(checkpoint: Checkpoint, examples: Path) -> None:
    tokenizer = PianoTokenizer()
    pieces = [tokenizer.tokenize_midi(path) for path in sorted(examples.glob("*.mid"))]
    bits = []
    for precision in ("float32", "int8"):
        engine = CpuEngine(checkpoint.config, checkpoint.tensors, precision=precision)
        bits.append(sum(_bits(engine, ids) for ids in pieces))
    assert bits[1] / bits[0] - 1 < 0.005


def _bits(engine: CpuEngine, ids: np.ndarray) -> float:
    logits = engine.prefill_all(ids[:-1], None)[0].astype(np.float64)
    log_z = np.log(np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1)) + logits.max(axis=1)
    return float((log_z - logits[np.arange(len(logits)), ids[1:]]).sum() / np.log(2))
