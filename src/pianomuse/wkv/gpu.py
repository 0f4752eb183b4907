"""Whether the backends for NVIDIA cards can run here: device, card, head size, installed tools. Builds nothing."""

from __future__ import annotations

import os
import shutil
from functools import lru_cache
from importlib.util import find_spec

import torch

from pianomuse.wkv import cuda_build

HEAD_SIZES = {"cuda": (64,), "triton": (32, 64)}
_OLDEST = (8, 0)  # asynchronous copies (cuda) and TF32 (triton) came with it
_INSTEAD = "use backend='chunked'"


@lru_cache
def why_not(name: str, device_type: str, head_size: int) -> str | None:
    """Return why the backend cannot run for tensors on a device of this type, or None."""
    if device_type != "cuda":
        return f"the tensors are on {device_type!r} and it takes CUDA tensors; {_INSTEAD}"
    if head_size not in HEAD_SIZES[name]:
        sizes = " or ".join(map(str, HEAD_SIZES[name]))
        return f"the head size is {head_size} and it takes {sizes}; {_INSTEAD}"
    return _why_no_card() or (_why_no_triton() if name == "triton" else _why_no_cuda())


def _why_no_card() -> str | None:
    if torch.version.hip:
        return f"PyTorch is built for ROCm and this is for NVIDIA's cards; {_INSTEAD}"
    if torch.version.cuda is None or not torch.cuda.is_available():
        return "PyTorch finds no CUDA device"
    if torch.cuda.get_device_capability() < _OLDEST:
        return f"the card is older than compute capability {_OLDEST[0]}.{_OLDEST[1]}; {_INSTEAD}"
    return None


def _why_no_triton() -> str | None:
    if find_spec("triton") is None:
        return f"triton is not installed; pip install triton (on Windows triton-windows), or {_INSTEAD}"
    has_compiler = os.name == "nt" or "CC" in os.environ or any(map(shutil.which, ("cc", "gcc", "clang")))
    return None if has_compiler else f"triton needs a C compiler; install gcc or clang, or {_INSTEAD}"


def _why_no_cuda() -> str | None:
    return None if cuda_build.is_built() else cuda_build.why_no_build()
