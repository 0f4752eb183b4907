"""The only file that asks what accelerators exist: device, autocast, fused optimizer, memory, seeds, processes.

Ascend: `torch_npu` is imported when an NPU is asked for, and never before. Its autocast would choose float16 by itself,
so the dtype is always named; its fused AdamW keeps parameters and gradients in buffers of its own, so it is built after
the model was moved, and nothing is moved or set to None afterwards.

CPU: oneDNN keeps a compiled product for every shape it has met, 1,024 of them, with their memory. Batches have other
lengths all the time, so training grew to 12 GB and more; with 256 it stays at 8 (preset tiny, 4 rows of 2,048 tokens,
1,000 steps, of a Transformer of that size 14.6).
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from pianomuse.errors import ConfigError, RequestError

KINDS = ("auto", "cpu", "cuda", "npu", "mps")
PRECISIONS: dict[str, torch.dtype | None] = {
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float32": None,
}


_KEPT_PRODUCTS = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256")


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

    def loss_scaler(self) -> torch.amp.GradScaler:
        """Return what keeps small gradients above float16's smallest number; it does nothing in other precisions."""
        return torch.amp.GradScaler(self.torch_device.type, enabled=self.autocast_dtype == torch.float16)

    @property
    def has_fused_adamw(self) -> bool:
        """Say whether PyTorch's AdamW has one kernel for all tensors here."""
        return self.torch_device.type in ("cpu", "cuda", "mps")

    def adamw(
        self, groups: Iterable[Mapping[str, object]], *, keeps_gradients: bool = True, **options: Any
    ) -> torch.optim.Optimizer:
        """Return AdamW in the fastest form there is here.

        Args:
            groups: parameter groups, on this device.
            keeps_gradients: the same parameters have gradients in every step, plain tensors that stay where they are.
            options: lr, betas, eps.
        """
        if self.torch_device.type == "npu" and keeps_gradients:
            fused = importlib.import_module("torch_npu").optim.NpuFusedAdamW(list(groups), **options)
            assert isinstance(fused, torch.optim.Optimizer)
            return fused
        return torch.optim.AdamW(list(map(dict, groups)), fused=self.has_fused_adamw, **options)

    def synchronise(self) -> None:
        """Wait until the device has done what was asked of it; times are wrong without."""
        if self.torch_device.type != "cpu":
            getattr(torch, self.torch_device.type).synchronize()

    def peak_memory_bytes(self) -> int | None:
        """Return the most memory that tensors have taken on a GPU, or this process in all on a CPU, if it is known."""
        if self.torch_device.type in ("cuda", "npu"):
            return int(getattr(torch, self.torch_device.type).max_memory_allocated(self.torch_device))
        return peak_resident_bytes() if self.torch_device.type == "cpu" else None

    @property
    def name(self) -> str | None:
        """Return the name of the GPU; None on a CPU."""
        if self.torch_device.type not in ("cuda", "npu"):
            return None
        return str(getattr(torch, self.torch_device.type).get_device_name(self.torch_device))

    def total_memory_bytes(self) -> int | None:
        """Return the memory that tensors can have here: the GPU's, or this machine's; None where it is not known."""
        if self.torch_device.type == "cuda":
            return int(torch.cuda.get_device_properties(self.torch_device).total_memory)
        if self.torch_device.type != "cpu" or not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
            return None
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

    def __str__(self) -> str:
        """Name device and precision for people."""
        names = {dtype: name for name, dtype in PRECISIONS.items()}
        return f"{self.torch_device} ({names[self.autocast_dtype]})"


def choose_device(kind: str = "auto", *, precision: str = "auto") -> Device:
    """Choose where to compute.

    Args:
        kind: auto, cpu, cuda, npu or mps; auto takes the first of cuda, npu, mps, cpu that is there.
        precision: bfloat16, float16, float32, or auto: bfloat16 where the hardware multiplies it, else float16 on CUDA
            and float32 elsewhere.

    Raises:
        RequestError: the device is unknown or not there.
    """
    if kind not in KINDS:
        raise RequestError(f"device {kind!r} is unknown; choose one of {', '.join(KINDS)}")
    if precision != "auto" and precision not in PRECISIONS:
        raise RequestError(f"precision {precision!r} is unknown; choose auto, {', '.join(PRECISIONS)}")
    if kind == "auto":
        kind = next(name for name in ("cuda", "npu", "mps", "cpu") if _is_there(name))
    if not _is_there(kind):
        raise RequestError(f"device {kind} is not there; use --device auto, or install its PyTorch build")
    if kind == "cpu":
        os.environ.setdefault(*_KEPT_PRODUCTS)  # read by oneDNN at its first product
    if precision == "auto":
        narrow = "float16" if kind == "cuda" else "float32"
        precision = "bfloat16" if _multiplies_bfloat16(kind) else narrow
    return Device(torch.device(kind), PRECISIONS[precision])


def sum_dtype(device: torch.device) -> torch.dtype:
    """Return the widest dtype that sums can have on a device."""
    return torch.float32 if device.type in ("mps", "npu") else torch.float64


def n_processes() -> int:
    """Return how many processes a launcher (`torchrun`, `accelerate launch`) started; 1 without one."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_process() -> bool:
    """Say whether this is the process of a launcher that writes and prints; without a launcher it is."""
    return os.environ.get("RANK", "0") == "0"


def join_processes(device: Device) -> tuple[Device, Any]:
    """Join the processes that a launcher started; it returns when all are there.

    Returns:
        The device of this process (each has a GPU of its own), and the `accelerate.Accelerator` that joined them:
        through NCCL, HCCL or gloo.

    Raises:
        ConfigError: the launcher is set up for another way of sharing, or for another kind of device.
    """
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=device.torch_device.type == "cpu", mixed_precision="no")
    wanted = {"cpu": "MULTI_CPU", "cuda": "MULTI_GPU", "npu": "MULTI_NPU"}.get(device.torch_device.type, "no processes")
    if accelerator.distributed_type.name != wanted:
        raise ConfigError(
            f"{accelerator.distributed_type.name} processes were started, and training on {device.torch_device} takes "
            f"{wanted}; start with torchrun --nproc-per-node N -m pianomuse train, and share with --set shard=fsdp"
        )
    atexit.register(_leave_processes)
    return replace(device, torch_device=accelerator.device), accelerator


def _leave_processes() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


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


def _is_there(kind: str) -> bool:
    if kind == "cuda":
        return torch.cuda.is_available()
    if kind == "npu":
        return _npu_is_there()
    return kind == "cpu" or torch.backends.mps.is_available()


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
