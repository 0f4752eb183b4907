"""The engine computes RWKV-7: equal to a float64 restatement and to the `rwkv` package, however it is fed."""

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pytest

from pianomuse.checkpoint.config import ModelConfig
from pianomuse.runtime.engine import CpuEngine

LENGTHS = [1, 2, 15, 16, 17, 63, 65, 100]


def ids_of(config: ModelConfig, n: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, config.vocab_size, n)


@pytest.fixture(scope="module")
def engine(config, tensors) -> CpuEngine:
    return CpuEngine(config, tensors)


@pytest.mark.parametrize("length", LENGTHS)
def test_prefill_gives_the_logits_and_state_of_the_definition(engine, config, tensors, definition, length):
    ids = ids_of(config, length)
    truth = definition(config, tensors)
    expected = truth.read(ids)
    assert expected.std() > 1
    logits, state = engine.prefill_all(ids)
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    np.testing.assert_allclose(state.shift[:, :, 0], truth.shift, atol=1e-4)
    np.testing.assert_allclose(state.wkv[:, 0], truth.wkv, atol=1e-4)
    last, same = engine.prefill(ids)
    np.testing.assert_array_equal(last, logits[-1])
    np.testing.assert_array_equal(same.wkv, state.wkv)


def test_steps_give_the_logits_and_state_of_the_definition(engine, config, tensors, definition):
    ids = ids_of(config, 40)
    truth = definition(config, tensors)
    expected = truth.read(ids)
    _, state = engine.prefill(ids[:1])
    for token, row in zip(ids[1:], expected[1:], strict=True):
        np.testing.assert_allclose(engine.step(np.array([token]), state)[0], row, atol=1e-4)
    np.testing.assert_allclose(state.shift[:, :, 0], truth.shift, atol=1e-4)
    np.testing.assert_allclose(state.wkv[:, 0], truth.wkv, atol=1e-4)


@pytest.fixture(scope="module")
def package(config, tensors, tmp_path_factory):
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("rwkv") is None:
        pytest.skip("the oracle needs the packages torch and rwkv: pip install 'pianomuse[dev]'")
    path: Path = tmp_path_factory.mktemp("rwkv") / "model"
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package's and TorchScript's own deprecations
        for name, value in {"RWKV_V7_ON": "1", "RWKV_JIT_ON": "1", "RWKV_CUDA_ON": "0"}.items():
            patch.setenv(name, value)
        import torch
        from rwkv.model import RWKV

        torch.save({name: torch.from_numpy(value) for name, value in tensors.items()}, f"{path}.pth")
        n_threads = torch.get_num_threads()
        torch.set_num_threads(1)  # its threads are of no use for a model this small
        yield RWKV(model=str(path), strategy="cpu fp32")
        torch.set_num_threads(n_threads)


def package_state(state) -> tuple[np.ndarray, np.ndarray]:
    arrays = [entry.float().numpy() for entry in state]
    shift = np.stack([np.stack([arrays[i], arrays[i + 2]]) for i in range(0, len(arrays), 3)])
    return shift, np.stack(arrays[1::3])


def test_equals_the_rwkv_package(package, engine, config):
    ids = ids_of(config, 70)
    expected, state = package.forward(ids.tolist(), None, full_output=True)
    logits, mine = engine.prefill_all(ids)
    np.testing.assert_allclose(logits, expected.numpy(), atol=1e-4)
    shift, wkv = package_state(state)
    np.testing.assert_allclose(mine.shift[:, :, 0], shift, atol=1e-4)
    np.testing.assert_allclose(mine.wkv[:, 0], wkv, atol=1e-4)
    chunked = None
    for piece in np.split(ids, [1, 20, 36]):
        last, chunked = engine.prefill(piece, chunked)
    np.testing.assert_allclose(last, expected[-1].numpy(), atol=1e-4)
    np.testing.assert_allclose(chunked.wkv[:, 0], wkv, atol=1e-4)
    for token in ids_of(config, 20, seed=2):
        expected, state = package.forward(int(token), state)
        np.testing.assert_allclose(engine.step(np.array([token]), chunked)[0], expected.numpy(), atol=1e-4)
    shift, wkv = package_state(state)
    np.testing.assert_allclose(chunked.shift[:, :, 0], shift, atol=1e-4)
    np.testing.assert_allclose(chunked.wkv[:, 0], wkv, atol=1e-4)
