"""The initial value of every tensor, in one table.

Source: BlinkDL/RWKV-LM, RWKV-v7/train_temp/src/model.py: the constructors of RWKV_Tmix_x070 and RWKV_CMix_x070, and
`generate_init_weight`, which overrides the projections, ln_x, embedding and head. DeepEmbed (`ffn.s*`) begins as the
identity: its gate is s0 = 1 while s2 = 0. How it was trained is not published; here every token's matrix begins as the
unit matrix, so that s2 at first learns from the input alone, and the tokens part from there.

Legend: V vocabulary, C width, N head size, L layers; i layer, n channel; rho = i / (L-1), delta = 1 - i / L,
d = n / C, lin = n / (C-1) - 1/2, zig = z * |z| with z running from -1 to 1 inside each head.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pianomuse.checkpoint.config import ModelConfig, tensor_shapes


@dataclass(frozen=True)
class _Place:
    """Where a tensor stands: what the formulas of the table need."""

    config: ModelConfig
    layer: int
    shape: tuple[int, ...]
    generator: torch.Generator

    @property
    def rho(self) -> float:
        return self.layer / max(self.config.n_layer - 1, 1)  # a single layer counts as the first

    @property
    def delta(self) -> float:
        return 1 - self.layer / self.config.n_layer

    @property
    def channel(self) -> Tensor:
        return torch.arange(self.config.n_embd, dtype=torch.float64)

    @property
    def lin(self) -> Tensor:
        return self.channel / (self.config.n_embd - 1) - 0.5

    @property
    def zig(self) -> Tensor:
        half = max(self.config.head_size - 1, 1) / 2
        z = (self.channel % self.config.head_size - half) / half
        return z * z.abs()


def _mix(power: Callable[[_Place], float]) -> Callable[[_Place], Tensor]:
    return lambda p: 1 - (p.channel / p.config.n_embd) ** power(p)


def _full(value: float) -> Callable[[_Place], Tensor]:
    return lambda p: torch.full(p.shape, value, dtype=torch.float64)


def _orthogonal(gain: float, *, widen: bool = False) -> Callable[[_Place], Tensor]:
    def make(p: _Place) -> Tensor:
        rows, columns = p.shape
        scale = math.sqrt(rows / columns) if widen and rows > columns else 1.0
        return torch.nn.init.orthogonal_(torch.empty(p.shape), gain * scale, generator=p.generator)

    return make


def _decay(p: _Place) -> Tensor:
    value: Tensor = -6 + 6 * (p.channel / (p.config.n_embd - 1)) ** (1 + p.rho**0.3) + 0.5 + 2.5 * p.zig
    return value


TABLE: dict[str, Callable[[_Place], Tensor]] = {
    "emb.weight": lambda p: torch.empty(p.shape).uniform_(-1e-4, 1e-4, generator=p.generator),  # ln0 rescales it
    "head.weight": _orthogonal(0.5, widen=True),
    "att.x_r": _mix(lambda p: 0.2 * p.delta),
    "att.x_w": _mix(lambda p: 0.9 * p.delta),
    "att.x_k": _mix(lambda p: 0.7 * p.delta),
    "att.x_v": _mix(lambda p: 0.7 * p.delta),
    "att.x_a": _mix(lambda p: 0.9 * p.delta),
    "att.x_g": _mix(lambda p: 0.2 * p.delta),
    "att.w0": _decay,
    "att.a0": lambda p: -0.19 + 0.3 * p.zig + 0.4 * p.lin,
    "att.v0": lambda p: 0.73 - 0.4 * p.lin,
    "att.w1": _full(0.0),
    "att.a1": _full(0.0),
    "att.v1": _full(0.0),
    "att.g1": _full(0.0),
    "att.w2": _orthogonal(0.1, widen=True),
    "att.a2": _orthogonal(0.1, widen=True),
    "att.v2": _orthogonal(0.1, widen=True),
    "att.g2": _orthogonal(0.1, widen=True),
    "att.k_k": lambda p: 0.71 - 0.1 * p.lin,
    "att.k_a": _full(1.02),
    "att.r_k": _full(-0.04),
    "att.receptance.weight": _orthogonal(1.0),
    "att.key.weight": _orthogonal(0.1),
    "att.value.weight": _orthogonal(1.0),
    "att.output.weight": _full(0.0),
    "att.ln_x.weight": lambda p: torch.full(p.shape, ((1 + p.layer) / p.config.n_layer) ** 0.7),
    "ffn.x_k": _mix(lambda p: p.delta**4),
    "ffn.key.weight": _orthogonal(1.0),
    "ffn.value.weight": _full(0.0),
    "ffn.s0": _full(1.0),
    "ffn.s1": _orthogonal(1.0),
    "ffn.s2": _full(0.0),
    "ffn.s_emb.weight": lambda p: torch.eye(p.config.deep_embed_rank).reshape(1, -1).repeat(p.shape[0], 1),
    "ffn.s_emb_x.weight": _full(0.0),
}


def initial_tensor(name: str, config: ModelConfig, generator: torch.Generator) -> Tensor:
    """Return the initial value of one tensor, float32.

    Args:
        name: official name, for example `blocks.3.att.w0`.
        config: sizes of the model.
        generator: source of chance for the orthogonal and uniform ones.
    """
    shape = tensor_shapes(config)[name]
    parts = name.split(".")
    layer, key = (int(parts[1]), ".".join(parts[2:])) if parts[0] == "blocks" else (0, name)
    if key in TABLE:
        value = TABLE[key](_Place(config, layer, shape, generator))
    else:  # layer norms
        value = torch.full(shape, 1.0 if key.endswith(".weight") else 0.0)
    return value.reshape(shape).float()
