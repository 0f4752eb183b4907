"""The model computes what the package `rwkv` computes, and its weights run there."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from pianomuse.checkpoint.config import ModelConfig
from pianomuse.checkpoint.official import read_pth, write_pth
from pianomuse.model.rwkv import ModelState, PianoMuseRWKV
from pianomuse.model.weights import load_weights, weights_of

CONFIG = ModelConfig(vocab_size=97, n_layer=3, n_embd=128)
IDS = torch.randint(0, 97, (1, 50), generator=torch.Generator().manual_seed(1))


def living_model() -> PianoMuseRWKV:
    """A model in which every tensor matters: the initial values have many zeros."""
    model = PianoMuseRWKV(CONFIG, wkv="reference").eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(noise / parameter.shape[-1] ** 0.5 if parameter.dim() == 2 else 0.3 * noise)
    return model


@pytest.fixture(scope="module")
def package() -> ModuleType:
    os.environ.update(RWKV_V7_ON="1", RWKV_CUDA_ON="0", RWKV_JIT_ON="1")  # it reads them while it is imported
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript calls itself deprecated
        import rwkv.model as module
    return module


@pytest.fixture(scope="module")
def oracle(package: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> object:
    path = write_pth(tmp_path_factory.mktemp("oracle") / "model.pth", weights_of(living_model()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return package.RWKV(str(path.with_suffix("")), "cpu fp32")


def assert_same_state(state: ModelState, theirs: list[torch.Tensor]) -> None:
    for layer in range(CONFIG.n_layer):
        ours = (state.shift[layer, 0, 0], state.wkv[layer, 0], state.shift[layer, 1, 0])
        for own, other in zip(ours, theirs[3 * layer : 3 * layer + 3], strict=True):
            torch.testing.assert_close(own, other, atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_prefill_gives_the_logits_and_the_state_of_the_package(oracle: object) -> None:
    logits, state = living_model()(IDS, return_state=True)
    theirs, their_state = oracle.forward(IDS[0].tolist(), None, full_output=True)  # type: ignore[attr-defined]
    assert theirs.std() > 0.5
    torch.testing.assert_close(logits[0], theirs, atol=1e-4, rtol=1e-4)
    assert_same_state(state, their_state)


@torch.no_grad()
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_pieces_with_carried_state_and_single_steps_give_the_same(oracle: object) -> None:
    model = living_model()
    _, state = model(IDS[:, :1], return_state=True)
    _, state = model(IDS[:, 1:17], state=state, return_state=True)
    _, state = model(IDS[:, 17:34], state=state, return_state=True)
    _, their_state = oracle.forward(IDS[0, :34].tolist(), None)  # type: ignore[attr-defined]
    for token in IDS[0, 34:]:
        logits, state = model(token.view(1, 1), state=state, return_state=True)
        theirs, their_state = oracle.forward(int(token), their_state)  # type: ignore[attr-defined]
        torch.testing.assert_close(logits[0, 0], theirs, atol=1e-4, rtol=1e-4)
    assert_same_state(state, their_state)


def test_weights_go_to_a_pth_file_and_back_unchanged(tmp_path: Path) -> None:
    model = living_model()
    path = write_pth(tmp_path / "model.pth", weights_of(model))
    other = PianoMuseRWKV(CONFIG)
    load_weights(other, read_pth(path))
    for name, tensor in torch.load(path, weights_only=True).items():
        np.testing.assert_array_equal(other.state_dict()[name].numpy(), tensor.numpy(), err_msg=name)
        np.testing.assert_array_equal(model.state_dict()[name].numpy(), tensor.numpy(), err_msg=name)


def test_tensor_names_and_shapes_are_the_official_ones() -> None:
    from pianomuse.checkpoint.config import parameter_count, tensor_shapes

    model = PianoMuseRWKV(CONFIG)
    assert {name: tuple(t.shape) for name, t in model.state_dict().items()} == tensor_shapes(CONFIG)
    assert sum(p.numel() for p in model.parameters()) == parameter_count(CONFIG)
