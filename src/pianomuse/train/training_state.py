"""What a run needs beside its weights to go on exactly, as tensors with names: AdamW's state and the random numbers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.train.eight_bit import PARTS, is_eight_bit, is_quantised, quantised

MOMENTS = ("exp_avg", "exp_avg_sq")


def chance_name(rank: int) -> str:
    """Return under which name the random numbers of a process are saved."""
    return f"rng.cpu.{rank}" if rank else "rng.cpu"


def restore_chance(state: Mapping[str, Tensor], rank: int) -> None:
    """Put the random numbers back; a process that there was not before goes on with those of its seed."""
    if rank == 0 or chance_name(rank) in state:
        torch.set_rng_state(state[chance_name(rank)])


def optimizer_state(model: PianoMuseRWKV, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return a copy of AdamW's state on the CPU, under `exp_avg.NAME`, `exp_avg_sq.NAME` and `step.NAME`.

    A moment in 8 bits is three tensors: `exp_avg.codes.NAME`, `exp_avg.scale.NAME`, `exp_avg.qmap.NAME`.
    """
    state: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            whole = {key: value if isinstance(value, Tensor) else torch.tensor(float(value))}
            parts = {f"{key}.{part}": getattr(value, part) for part in PARTS} if is_quantised(value) else whole
            state |= {f"{part}.{name}": tensor.detach().cpu().clone() for part, tensor in parts.items()}
    return state


def restore_optimizer(model: PianoMuseRWKV, optimizer: torch.optim.Optimizer, state: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_state` returned.

    Raises:
        KeyError, ValueError: a part is missing, of another shape, or not finite.
    """
    for name, parameter in model.named_parameters():
        if f"step.{name}" not in state:
            continue  # a parameter that has had no gradient yet
        own = optimizer.state[parameter] = {"step": state[f"step.{name}"]}
        for key in MOMENTS:
            if f"{key}.{name}" in state:
                moment = state[f"{key}.{name}"]
                if moment.shape != parameter.shape or not bool(torch.isfinite(moment).all()):
                    raise ValueError(f"{key}.{name} is not {list(parameter.shape)} finite numbers")
                own[key] = like(moment, parameter)
            else:
                own[key] = quantised({part: state[f"{key}.{part}.{name}"] for part in PARTS}, parameter)
        if not (isinstance(optimizer, torch.optim.AdamW) or is_eight_bit(optimizer)):
            own["step"] = int(state[f"step.{name}"])  # that of Ascend counts in whole numbers


def like(value: Tensor, parameter: Tensor) -> Tensor:
    """Return a value where and in the way a parameter is stored."""
    if not hasattr(parameter, "full_tensor"):
        return value.to(parameter)
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(parameter, DTensor)
    whole = value.to(device=parameter.device, dtype=parameter.dtype)
    return distribute_tensor(whole, parameter.device_mesh, parameter.placements)
