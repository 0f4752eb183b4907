"""Official .pth files: equal to what PyTorch reads and writes, and closed to everything but tensors."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from pianomuse.checkpoint.official import read_pth, write_pth
from pianomuse.errors import CheckpointError


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"emb.weight": (7, 8), "blocks.0.att.x_r": (1, 1, 8), "ln_out.bias": (8,), "größe": (1,)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_files_that_pytorch_wrote_are_read_exactly(
    tmp_path: Path, tensors: dict[str, torch.Tensor], dtype: torch.dtype
) -> None:
    torch.save(OrderedDict((name, value.to(dtype)) for name, value in tensors.items()), tmp_path / "m.pth")
    read = read_pth(tmp_path / "m.pth")
    assert list(read) == list(tensors)
    for name, value in tensors.items():
        assert read[name].dtype == np.float32
        np.testing.assert_array_equal(read[name], value.to(dtype).float().numpy())


def test_parameters_and_slices_of_a_shared_storage_are_read(tmp_path: Path) -> None:
    whole = torch.arange(12.0).view(3, 4)
    torch.save({"part": whole[1:], "parameter": torch.nn.Parameter(torch.ones(2))}, tmp_path / "m.pth")
    read = read_pth(tmp_path / "m.pth")
    np.testing.assert_array_equal(read["part"], whole[1:].numpy())
    np.testing.assert_array_equal(read["parameter"], [1, 1])


def test_what_is_written_loads_in_pytorch_also_memory_mapped(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> None:
    path = write_pth(tmp_path / "m.pth", {name: value.numpy() for name, value in tensors.items()})
    for mapped in (False, True):
        loaded = torch.load(path, weights_only=True, mmap=mapped)
        assert isinstance(loaded, OrderedDict)
        assert list(loaded) == list(tensors)
        assert all(torch.equal(loaded[name], value) for name, value in tensors.items())
    assert [file.name for file in tmp_path.iterdir()] == ["m.pth"]


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch evil",)


def archive(path: Path, content: bytes, **more: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("m/data.pkl", content)
        for name, value in more.items():
            file.writestr(f"m/{name}", value)
    return path


def test_a_pickle_that_wants_to_run_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for payload in (_Evil(), {"emb.weight": _Evil()}):
        with pytest.raises(CheckpointError, match=r"system"):
            read_pth(archive(tmp_path / "evil.pth", pickle.dumps(payload, protocol=2)))
    assert not (tmp_path / "evil").exists()


def test_other_content_is_refused(tmp_path: Path) -> None:
    cases = {
        "numbers": {"step": 3},
        "list": [torch.ones(2)],
        "integers": {"x": torch.ones(2, dtype=torch.int64)},
        "empty": {},
    }
    for name, content in cases.items():
        torch.save(content, tmp_path / f"{name}.pth")
        with pytest.raises(CheckpointError, match=f"{name}.pth"):
            read_pth(tmp_path / f"{name}.pth")


def test_damaged_files_are_refused(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> None:
    torch.save(tensors, tmp_path / "good.pth")
    content = (tmp_path / "good.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(content[: len(content) // 2])
    (tmp_path / "noise.pth").write_bytes(b"no zip at all")
    archive(tmp_path / "garbage.pth", b"\x80\x02garbage")
    for name in ("cut", "noise", "garbage", "nothing"):
        with pytest.raises(CheckpointError, match=f"{name}.pth"):
            read_pth(tmp_path / f"{name}.pth")


def test_a_small_file_cannot_ask_for_much_memory(tmp_path: Path) -> None:
    row = torch.ones(4096)
    torch.save({f"view{n}": row[:] for n in range(100)}, tmp_path / "views.pth")
    with pytest.raises(CheckpointError, match="larger than the file"):
        read_pth(tmp_path / "views.pth")
    torch.save({"wide": torch.ones(1).expand(1_000_000, 1000)}, tmp_path / "wide.pth")
    with pytest.raises(CheckpointError, match=r"larger than the file|does not fit"):
        read_pth(tmp_path / "wide.pth")
