"""AdamW in the groups of RWKV-7, and the learning rate over the run.

Source: BlinkDL/RWKV-LM, RWKV-v7/train_temp/src/model.py (`get_optim_groups`) and trainer.py.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from pianomuse.devices import Device
from pianomuse.train.eight_bit import make_eight_bit_adamw
from pianomuse.train.settings import TrainSettings
from pianomuse.train.stages import split_by_part


def optimizer_groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Return the parameter groups.

    - `att.w0`, the decay of each channel: twice the learning rate, no weight decay;
    - names with `.weight` and at least two dimensions (embedding, head, projections): weight decay;
    - all others (norms, mixes, low-rank pairs): neither.

    Frozen parameters are in none of them, and get no state.
    """
    decay, fast, plain = [], [], []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.endswith("att.w0"):
            fast.append(parameter)
        elif ".weight" in name and sum(size > 1 for size in parameter.shape) >= 2:
            decay.append(parameter)
        else:
            plain.append(parameter)
    return [
        {"params": plain, "weight_decay": 0.0, "lr_scale": 1.0},
        {"params": fast, "weight_decay": 0.0, "lr_scale": 2.0},
        {"params": decay, "weight_decay": weight_decay, "lr_scale": 1.0},
    ]


def make_optimizer(
    model: nn.Module, settings: TrainSettings, device: Device, *, is_sharded: bool = False
) -> torch.optim.Optimizer:
    """Return AdamW over the groups; states are float32, which the tiny epsilon needs, or in 8 bits."""
    groups = optimizer_groups(model, settings.weight_decay)
    has_stages = settings.stages == "yes"
    groups = split_by_part(model, groups) if has_stages else groups
    if settings.optimizer == "adamw8bit":
        return make_eight_bit_adamw(groups, settings, device.torch_device)
    return device.adamw(
        groups,
        keeps_gradients=not (has_stages or is_sharded),
        lr=settings.lr,
        betas=(settings.beta1, settings.beta2),
        eps=settings.eps,
    )


def learning_rate(settings: TrainSettings, step: int, elapsed_minutes: float) -> float:
    """Return the learning rate of a step: linear warm-up times cosine from `lr` to `lr_final`.

    Where `max_minutes` is set, the cosine follows whichever is further, steps or clock.
    """
    cosine = 0.5 * (1 + math.cos(math.pi * progress(settings, step, elapsed_minutes)))
    warmup = min(1.0, 0.01 + 0.99 * step / settings.warmup_steps) if settings.warmup_steps else 1.0
    return (settings.lr_final + (settings.lr - settings.lr_final) * cosine) * warmup


def progress(settings: TrainSettings, step: int, elapsed_minutes: float) -> float:
    """Return how much of the run is done, 0 to 1, by steps or by the clock, whichever is further."""
    done = step / settings.n_steps
    if settings.max_minutes:
        done = max(done, elapsed_minutes / settings.max_minutes)
    return min(done, 1.0)


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every group its learning rate."""
    for group in optimizer.param_groups:
        wanted = lr * group["lr_scale"]
        if isinstance(group["lr"], torch.Tensor):  # torchao's step reads the tensor that it was compiled with
            group["lr"].fill_(wanted)
        else:
            group["lr"] = wanted


def clip_gradient(model: nn.Module, largest: float) -> float:
    """Scale the gradient down to a norm of at most `largest` (0 is no limit); return the norm it had."""
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), largest or math.inf)
    if hasattr(norm, "full_tensor"):  # of parameters that are shared among processes
        norm = norm.full_tensor()
    return float(norm)
