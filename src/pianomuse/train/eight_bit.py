"""AdamW whose states are 8 bits a number, in blocks of 256 with a scale: torchao's, on a CPU too.

torchao compiles its step for every shape of parameter, which pays on a GPU (one kernel, no memory beside it) and takes
minutes on a CPU. Where it is not compiled, parameters are updated a piece at a time by the same formula: blocks do not
know of each other, so the result is the same, and what lies beside the states is a few MB.

Source: Dettmers and others, 8-bit Optimizers via Block-wise Quantization (2022); torchao/optim.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from pianomuse.devices import n_processes
from pianomuse.errors import ConfigError
from pianomuse.train.settings import TrainSettings

EPSILON = 1e-8  # where a second moment is rounded to zero, the step is the first one divided by this
PARTS = ("codes", "scale", "qmap")  # of a state in 8 bits, in the order of its constructor
_AT_ONCE = 1 << 16  # numbers of a piece: they fit a core's cache
_NOISE = {  # what importing torchao 0.18 logs about GPU libraries and about PyTorch, none of it used here
    "torchao": "Failed to load",
    "torch.utils._pytree": "%s is an Enum subclass",
}


@contextmanager
def _without_noise() -> Iterator[None]:
    """Drop the known messages while torchao is imported; others are heard."""

    def is_news(record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(_NOISE[record.name])

    for name in _NOISE:
        logging.getLogger(name).addFilter(is_news)
    try:
        yield
    finally:
        for name in _NOISE:
            logging.getLogger(name).removeFilter(is_news)


def check_optimizer(settings: TrainSettings) -> None:
    """Refuse 8-bit states where they cannot be had.

    Raises:
        ConfigError: torchao is not installed, or processes share the states.
    """
    if settings.optimizer != "adamw8bit":
        return
    if importlib.util.find_spec("torchao") is None:
        raise ConfigError("optimizer=adamw8bit needs torchao: pip install 'pianomuse[eightbit]'")
    if n_processes() > 1 and settings.shard == "fsdp":
        raise ConfigError(
            "optimizer=adamw8bit: not with shard=fsdp, whose shards do not end where blocks of 256 numbers do; "
            "share with --set shard=ddp, or keep states in float32: --set optimizer=adamw"
        )


def eight_bit_said(settings: TrainSettings) -> list[str]:
    """Return what to tell about the optimizer where its states are in 8 bits."""
    if settings.optimizer != "adamw8bit":
        return []
    changed = "" if epsilon(settings) == settings.eps else f" in place of {settings.eps:g}, which needs float32 states"
    return [f"AdamW with 8-bit states, epsilon {epsilon(settings):g}{changed}"]


def epsilon(settings: TrainSettings) -> float:
    """Return the epsilon of a run: the tiny one of RWKV-7 needs states in float32."""
    is_left = settings.optimizer == "adamw8bit" and settings.eps == TrainSettings.eps
    return EPSILON if is_left else settings.eps


def make_eight_bit_adamw(
    groups: list[dict[str, Any]], settings: TrainSettings, device: torch.device
) -> torch.optim.Optimizer:
    """Return AdamW with 8-bit states for tensors of 4,096 numbers or more, in whole blocks; others get float32.

    The learning rate of a group is a tensor: write into it.

    Args:
        groups: parameter groups.
        settings: of the run.
        device: of the parameters.

    Raises:
        ConfigError: torchao is not installed, or processes share the states.
    """
    check_optimizer(settings)
    has_compiler = device.type == "cuda" and importlib.util.find_spec("triton") is not None
    base = _torchao().AdamW8bit
    kind = base if has_compiler else _piecewise(base)
    betas = (settings.beta1, settings.beta2)
    optimizer = kind(groups, lr=settings.lr, betas=betas, eps=epsilon(settings))
    assert isinstance(optimizer, torch.optim.Optimizer)
    return optimizer


def _piecewise(base: Any) -> Any:
    """Return torchao's class with a step that is not compiled."""
    update = _torchao().adam.single_param_adam

    class PiecewiseAdamW8bit(base):  # type: ignore[misc]
        """AdamW with 8-bit states that works on a piece of a parameter at a time."""

        @torch.no_grad()
        def step(self, closure: None = None) -> None:
            """Update every parameter that has a gradient."""
            for group in self.param_groups:
                settings = (group["lr"], *group["betas"], group["weight_decay"], group["eps"])
                for parameter in group["params"]:
                    if parameter.grad is None:
                        continue
                    state = self.state[parameter]
                    if not state:
                        state["step"] = torch.tensor(0.0)
                        state["exp_avg"] = self._new_buffer(parameter, True)
                        state["exp_avg_sq"] = self._new_buffer(parameter, False)
                    state["step"] += 1
                    tensors = (parameter.detach(), parameter.grad.reshape(-1), state["exp_avg"], state["exp_avg_sq"])
                    for value, gradient, *moments in zip(*map(_pieces, tensors), strict=True):
                        update(value, gradient, state["step"], *moments, None, *settings, True, False)

    return PiecewiseAdamW8bit


def _pieces(tensor: Any) -> Iterator[Tensor]:
    """Yield a tensor in flat pieces that share its memory; of a state in 8 bits, in whole blocks."""
    for first in range(0, tensor.numel(), _AT_ONCE):
        piece = slice(first, min(first + _AT_ONCE, tensor.numel()))
        if is_quantised(tensor):
            blocks = slice(piece.start // tensor.block_size, piece.stop // tensor.block_size)
            own = (tensor.codes.view(-1)[piece], tensor.scale[blocks], tensor.qmap)
            yield type(tensor)(*own, tensor.signed, tensor.dtype)
        else:
            yield tensor.view(-1)[piece]


def is_quantised(state: object) -> bool:
    """Say whether a state is stored in 8 bits."""
    return all(hasattr(state, part) for part in PARTS)


def is_eight_bit(optimizer: torch.optim.Optimizer) -> bool:
    """Say whether an optimizer is one of torchao's."""
    return hasattr(optimizer, "block_size")


def quantised(parts: Mapping[str, Tensor], parameter: Tensor) -> Tensor:
    """Return the state of a parameter from what it is stored as.

    Args:
        parts: the tensors that `PARTS` names.
        parameter: as the state it was.
    """
    state_class = _torchao().subclass_8bit.OptimState8bit
    if parts["codes"].shape != parameter.shape:
        raise ValueError(f"a state has {tuple(parts['codes'].shape)} numbers, its parameter {tuple(parameter.shape)}")
    moved = [parts[part].to(parameter.device) for part in PARTS]
    state = state_class(*moved, bool(moved[-1].min() < 0), parameter.dtype)
    assert isinstance(state, Tensor)
    return state


def _torchao() -> Any:
    """Return torchao's optimizers."""
    with _without_noise():
        return importlib.import_module("torchao.optim")
