"""The only file that asks what accelerators exist: device, autocast, fused optimizer, memory, seeds."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pianomuse.errors import RequestError

KINDS = ("auto", "cpu", "cuda", "npu", "mps")


@dataclass(frozen=True)
class Device:
    """Where tensors live, and how numbers are multiplied there."""

    torch_device: torch.device
    autocast_dtype: torch.dtype | None  # None: float32 throughout

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context in which matrix products run in the narrow dtype."""
        if self.autocast_dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(self.torch_device.type, dtype=self.autocast_dtype)

    @property
    def has_fused_adamw(self) -> bool:
        """Say whether AdamW has one kernel for all tensors here."""
        return self.torch_device.type in ("cpu", "cuda", "mps")

    def synchronise(self) -> None:
        """Wait until the device has done what was asked of it; times are wrong without."""
        if self.torch_device.type != "cpu":
            getattr(torch, self.torch_device.type).synchronize()

    def peak_memory_bytes(self) -> int | None:
        """Return the most memory that tensors have taken on a GPU, or this process in all on a CPU, if it is known."""
        if self.torch_device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self.torch_device))
        return peak_resident_bytes() if self.torch_device.type == "cpu" else None

    @property
    def name(self) -> str | None:
        """Return the name of the GPU; None on a CPU."""
        return torch.cuda.get_device_name(self.torch_device) if self.torch_device.type == "cuda" else None

    def __str__(self) -> str:
        """Name device and precision for people."""
        names = {None: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16"}
        return f"{self.torch_device} ({names[self.autocast_dtype]})"


def choose_device(kind: str = "auto", *, precision: str = "auto") -> Device:
    """Choose where to compute.

    Args:
        kind: auto, cpu, cuda, npu or mps; auto takes the first of cuda, npu, mps, cpu that is there.
        precision: auto (bfloat16 where the hardware multiplies it), bfloat16 or float32.

    Raises:
        RequestError: the device is unknown or not there.
    """
    if kind not in KINDS:
        raise RequestError(f"device {kind!r} is unknown; choose one of {', '.join(KINDS)}")
    if precision not in ("auto", "bfloat16", "float32"):
        raise RequestError(f"precision {precision!r} is unknown; choose auto, bfloat16 or float32")
    present = {
        "cuda": torch.cuda.is_available(),
        "npu": _npu_is_there() if kind in ("auto", "npu") else False,
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if kind == "auto":
        kind = next(name for name, is_there in present.items() if is_there)
    if not present[kind]:
        raise RequestError(f"device {kind} is not there; use --device auto, or install its PyTorch build")
    device = torch.device(kind)
    wants_bf16 = precision == "bfloat16" or (precision == "auto" and _multiplies_bfloat16(kind))
    return Device(device, torch.bfloat16 if wants_bf16 else None)


def seed_everything(seed: int) -> None:
    """Seed the generators that PyTorch's own operators (dropout) draw from."""
    torch.manual_seed(seed)


def peak_resident_bytes() -> int | None:
    """Return the most memory this process has had in RAM, all libraries included; None where it cannot be asked."""
    status = Path("/proc/self/status")
    if status.exists():  # not getrusage: a new process starts with its parent's peak there
        lines = status.read_text("utf-8").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    if importlib.util.find_spec("resource") is None:
        return None  # Windows
    resource: Any = importlib.import_module("resource")
    peak = int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return peak if sys.platform == "darwin" else 1024 * peak


def _npu_is_there() -> bool:
    """Importing torch_npu adds `torch.npu`."""
    if importlib.util.find_spec("torch_npu") is None:
        return False
    importlib.import_module("torch_npu")
    return bool(getattr(torch, "npu").is_available())  # noqa: B009  (the attribute is not known without torch_npu)


def _multiplies_bfloat16(kind: str) -> bool:
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if kind == "cpu":
        # bf16 products without these instructions are slower than float32.
        try:
            flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
        except OSError:
            return False
        return "avx512_bf16" in flags or "amx_bf16" in flags
    return kind == "npu"
