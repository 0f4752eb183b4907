"""Compile the stretches of work around the recurrence into fused loops (opt-in; needs a C++ compiler on a CPU).

Plain PyTorch runs each multiplication and addition of a block as a pass of its own over memory. torch.compile
joins them; results differ from the plain form by rounding only. The recurrence itself stays as it is.
"""

from __future__ import annotations

import shutil
from typing import cast

import torch

from pianomuse.errors import ConfigError
from pianomuse.model.layers import Block
from pianomuse.model.rwkv import PianoMuseRWKV


def can_compile(device_type: str) -> bool:
    """Say whether this machine has what torch.compile needs for the device."""
    if device_type == "cpu":
        return any(shutil.which(name) for name in ("g++", "clang++", "cl"))
    return device_type == "cuda"


def compile_blocks(model: PianoMuseRWKV) -> None:
    """Compile every block of `model` in place; parameters and state_dict stay the same.

    Raises:
        ConfigError: there is no compiler for the model's device.
    """
    device_type = model.emb.weight.device.type
    if not can_compile(device_type):
        raise ConfigError(f"compile: no C++ compiler found for device {device_type}; install g++, or train without it")
    for module in model.blocks:
        block = cast(Block, module)
        for name in ("before_wkv", "after_wkv"):
            setattr(block, name, torch.compile(getattr(block, name), dynamic=None))
