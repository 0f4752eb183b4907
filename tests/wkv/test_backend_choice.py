"""Which backend runs, and what a wrong call is told."""

import logging

import pytest
import torch
from torch import Tensor

from pianomuse import wkv
from pianomuse.errors import ConfigError


@pytest.fixture
def tensors() -> list[Tensor]:
    torch.manual_seed(0)
    return [-torch.rand(1, 5, 2, 32) for _ in range(6)]


@pytest.fixture(autouse=True)
def forget_choices() -> None:
    wkv._choice.cache_clear()


def test_cpu_tensors_take_the_compiled_kernel_and_say_so_once(
    tensors: list[Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="pianomuse.wkv"):
        for _ in range(3):
            assert wkv.choose_backend(tensors[0]) == "cpu"
    assert len(caplog.records) == 1


def test_without_numba_the_chunk_form_is_chosen_and_the_kernel_refused(
    tensors: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wkv, "_has_numba", lambda: False)
    assert wkv.choose_backend(tensors[0]) == "chunked"
    with pytest.raises(ConfigError, match="numba is not installed"):
        wkv.wkv7(*tensors, backend="cpu")
    assert "numba" in str(wkv.available_backends()["cpu"])


def test_float64_is_for_the_definition_alone(tensors: list[Tensor]) -> None:
    doubles = [tensor.double() for tensor in tensors]
    assert wkv.wkv7(*doubles)[0].dtype == torch.float64
    for backend in ("chunked", "cpu"):
        with pytest.raises(ConfigError, match="float64; use backend='reference'"):
            wkv.wkv7(*doubles, backend=backend)


def test_another_device_gets_the_chunk_form_and_never_the_cpu_kernel(tensors: list[Tensor]) -> None:
    elsewhere = [tensor.to("meta") for tensor in tensors]
    assert wkv.choose_backend(elsewhere[0]) == "chunked"
    assert wkv.available_backends("meta")["cpu"] is not None
    with pytest.raises(ConfigError, match="tensors are on 'meta'"):
        wkv.wkv7(*elsewhere, backend="cpu")


def test_an_unknown_name_lists_the_known_ones(tensors: list[Tensor]) -> None:
    with pytest.raises(ConfigError, match="reference, chunked, cpu"):
        wkv.wkv7(*tensors, backend="fastest")


@pytest.mark.parametrize("at", range(1, 6))
def test_a_tensor_that_does_not_fit_is_named(tensors: list[Tensor], at: int) -> None:
    name = ("r", "log_decay", "k", "v", "a", "b")[at]
    for wrong in (tensors[at][:, :4], tensors[at].int(), tensors[at].to("meta")):
        with pytest.raises(ConfigError, match=f"wkv7: {name} "):
            wkv.wkv7(*tensors[:at], wrong, *tensors[at + 1 :])


def test_shapes_without_meaning_are_refused(tensors: list[Tensor]) -> None:
    with pytest.raises(ConfigError, match=r"\[B, T, H, N\]"):
        wkv.wkv7(*(tensor[0] for tensor in tensors))
    with pytest.raises(ConfigError, match="at least one step"):
        wkv.wkv7(*(tensor[:, :0] for tensor in tensors))
    with pytest.raises(ConfigError, match="state has shape"):
        wkv.wkv7(*tensors, torch.zeros(1, 2, 32, 16))
    with pytest.raises(ConfigError, match=r"state is torch\.int64"):
        wkv.wkv7(*tensors, torch.zeros(1, 2, 32, 32, dtype=torch.int64))


def test_debug_mode_finds_a_decay_that_the_fast_backends_do_not_cover(tensors: list[Tensor]) -> None:
    tensors[1] = tensors[1] * 40
    with torch.autograd.set_detect_anomaly(True), pytest.raises(ConfigError, match="log_decay"):
        wkv.wkv7(*tensors)
    with torch.autograd.set_detect_anomaly(True):
        wkv.wkv7(*tensors, backend="reference")
