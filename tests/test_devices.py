"""Which precision and which processes are chosen."""

from __future__ import annotations

import os

import pytest
import torch

from pianomuse.devices import choose_device, join_processes, n_processes
from pianomuse.errors import ConfigError, RequestError


@pytest.mark.parametrize(("has_bfloat16", "dtype"), [(True, torch.bfloat16), (False, torch.float16)])
def test_a_gpu_without_bfloat16_gets_float16_and_a_scaler(
    monkeypatch: pytest.MonkeyPatch, has_bfloat16: bool, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_bfloat16)
    assert choose_device("cuda").autocast_dtype == dtype
    assert choose_device("cuda", precision="float32").autocast_dtype is None


def test_few_compiled_products_are_kept_on_a_cpu_unless_the_environment_says_how_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    choose_device("cpu")
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "256"
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "7")
    choose_device("cpu")
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "7"


def test_only_float16_has_a_scaler() -> None:
    scaled = [name for name in ("float32", "bfloat16", "float16")
              if choose_device("cpu", precision=name).loss_scaler().is_enabled()]  # fmt: skip
    assert scaled == ["float16"]
    with pytest.raises(RequestError, match="auto, bfloat16, float16, float32"):
        choose_device("cpu", precision="float8")


def test_processes_are_counted_as_a_launcher_says_and_of_one_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert n_processes() == 1
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert n_processes() == 4
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with pytest.raises(ConfigError, match=r"NO processes were started.*torchrun --nproc-per-node N"):
        join_processes(choose_device("cpu"))
