"""Which backend runs on a CUDA device, as far as that can be told without one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from pianomuse import wkv
from pianomuse.errors import ConfigError
from pianomuse.wkv import cuda_build, gpu


@pytest.fixture(autouse=True)
def card(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A card of compute capability 8.9, triton installed, nothing built, no nvcc."""
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (8, 9))
    monkeypatch.setattr(gpu, "find_spec", lambda _: object())
    monkeypatch.setattr("torch.utils.cpp_extension.CUDA_HOME", None)
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    forget()
    yield
    forget()


def forget() -> None:
    gpu.why_not.cache_clear()
    wkv._choice.cache_clear()


def without_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "find_spec", lambda _: None)
    forget()


def test_triton_is_chosen_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="pianomuse.wkv"):
        assert [wkv._choice("cuda", False, size) for size in (64, 64, 32)] == ["triton"] * 3
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == ["wkv7 on cuda: backend triton"] * 2
    assert wkv._choice("cuda", True, 64) == "reference"  # a single step: no chunk to fill


def test_without_triton_cuda_is_chosen_where_it_is_built_and_nothing_is_built_unasked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_triton(monkeypatch)
    assert wkv._choice("cuda", False, 64) == "chunked"
    cuda_build.library_path((8, 9)).write_bytes(b"built")
    forget()
    assert wkv._choice("cuda", False, 64) == "cuda"
    assert wkv._choice("cuda", False, 32) == "chunked"


def test_a_head_size_of_none_of_them_takes_the_chunk_form() -> None:
    assert wkv._choice("cuda", False, 48) == "chunked"
    assert wkv.available_backends("cuda", 48)["triton"] == (
        "the head size is 48 and it takes 32 or 64; use backend='chunked'"
    )


@pytest.mark.parametrize(
    ("what", "value", "reason"),
    [
        ("torch.version.hip", "6.2", "ROCm"),
        ("torch.cuda.get_device_capability", lambda *_: (7, 5), "older than compute capability 8.0"),
        ("torch.cuda.is_available", lambda: False, "no CUDA device"),
    ],
)
def test_other_cards_take_the_chunk_form_and_are_told_why(monkeypatch: pytest.MonkeyPatch, what, value, reason) -> None:
    monkeypatch.setattr(what, value)
    assert wkv._choice("cuda", False, 64) == "chunked"
    table = wkv.available_backends("cuda")
    assert table["chunked"] is None
    for name in ("triton", "cuda"):
        assert reason in str(table[name])


def test_triton_without_a_c_compiler_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(gpu.shutil, "which", lambda _: None)
    assert "needs a C compiler" in str(wkv.available_backends("cuda")["triton"])


def test_a_backend_asked_for_never_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = [-torch.rand(1, 3, 1, 64) for _ in range(6)]
    for name in ("cuda", "triton"):
        with pytest.raises(ConfigError, match=f"wkv backend '{name}' cannot run here: the tensors are on 'cpu'"):
            wkv.wkv7(*tensors, backend=name)
    without_triton(monkeypatch)
    assert "pip install triton" in str(wkv.available_backends("cuda")["triton"])
    assert "nvcc is not found" in str(wkv.available_backends("cuda")["cuda"])
