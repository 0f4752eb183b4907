"""Train a part of a model: frozen parameters, low-rank adapters (LoRA), a tuned state before the first token.

- Freezing: parameters whose official name fits a pattern stay as they are.
- LoRA (Hu et al. 2021, arXiv 2106.09685; for RWKV-7 JL-er/RWKV-PEFT): y = W x + (alpha / rank) B A x on the six
  projections of every block. A is random and B zero, so that the model starts as it was. The sum W + (alpha / rank) B A
  is an ordinary matrix: saved weights are plain official ones.
- State tuning (RWKV-PEFT): the memory before the first token, `blocks.i.att.time_state` [H, N(value), N(key)], is
  learnt in place of zeros, and nothing else. The shift state stays zero.

Legend: C width, H heads, N head size, r rank.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pianomuse.errors import CheckpointError, ConfigError
from pianomuse.model.layers import Block
from pianomuse.model.rwkv import PianoMuseRWKV

PROJECTIONS = ("att.receptance", "att.key", "att.value", "att.output", "ffn.key", "ffn.value")
TIME_STATE = "att.time_state"
_LORA = ("lora_A", "lora_B")


class LoraLinear(nn.Linear):
    """A frozen projection with a trainable low-rank part beside it."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float, generator: torch.Generator) -> None:
        """Take over the weight of `base`; A as in `nn.Linear`'s own initial values, B zero."""
        super().__init__(base.in_features, base.out_features, bias=False, device="meta")
        self.weight = base.weight
        self.weight.requires_grad_(False)
        self.scale = alpha / rank
        bound = math.sqrt(1 / base.in_features)  # Kaiming uniform with a = sqrt(5)
        a = torch.empty(rank, base.in_features).uniform_(-bound, bound, generator=generator)
        self.lora_A = nn.Parameter(a.to(base.weight))
        self.lora_B = nn.Parameter(base.weight.new_zeros(base.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        """Return W x + scale B A x."""
        low = nn.functional.linear(nn.functional.linear(x, self.lora_A), self.lora_B)
        return nn.functional.linear(x, self.weight) + self.scale * low

    @torch.no_grad()
    def merged(self) -> Tensor:
        """Return W + scale B A, float32."""
        return self.weight.float() + self.scale * (self.lora_B.float() @ self.lora_A.float())


def freeze(model: nn.Module, patterns: Sequence[str]) -> int:
    """Freeze the parameters whose names fit one of the patterns; return how many numbers that are.

    Args:
        model: any, before its optimizer is made.
        patterns: shell patterns over the official names, such as `emb.*` or `blocks.0.*`.

    Raises:
        ConfigError: a pattern fits no parameter, or nothing is left to train.
    """
    named = dict(model.named_parameters())
    fitting = {pattern: [name for name in named if fnmatch.fnmatchcase(name, pattern)] for pattern in patterns}
    idle = [pattern for pattern, names in fitting.items() if not names]
    if idle:
        some = ", ".join(list(named)[:: max(len(named) // 4, 1)][:4])
        raise ConfigError(f"freeze: {', '.join(idle)} fits no parameter; names look like {some}")
    frozen = {name for names in fitting.values() for name in names}
    for name in frozen:
        named[name].requires_grad_(False)
    if not any(parameter.requires_grad for parameter in named.values()):
        raise ConfigError(f"freeze: {', '.join(patterns)} leaves nothing to train; freeze less")
    return sum(named[name].numel() for name in frozen)


def add_lora(model: PianoMuseRWKV, rank: int, alpha: float, seed: int) -> int:
    """Put an adapter beside every projection and freeze everything else; return how many numbers are trained.

    Args:
        model: its weights stay the same objects.
        rank: r; 4 to 32 are usual.
        alpha: the adapter counts alpha / rank.
        seed: of the A matrices.

    Raises:
        ConfigError: a rank below 1 or above the width.
    """
    if not 1 <= rank <= model.config.n_embd:
        raise ConfigError(f"lora_rank {rank}: choose 1 to {model.config.n_embd}, the width of the model")
    generator = torch.Generator().manual_seed(seed)
    model.requires_grad_(False)
    for module in model.blocks:
        for projection in PROJECTIONS:
            part, name = projection.split(".")
            parent = getattr(cast(Block, module), part)
            setattr(parent, name, LoraLinear(getattr(parent, name), rank, alpha, generator))
    return _n_trained(model)


def lora_layers(model: nn.Module) -> dict[str, LoraLinear]:
    """Return the projections with an adapter, under their official names without `.weight`."""
    return {name: module for name, module in model.named_modules() if isinstance(module, LoraLinear)}


def add_time_state(model: PianoMuseRWKV) -> int:
    """Give every block a trainable memory before the first token, zeros at first, and freeze everything else.

    Returns:
        How many numbers are trained.
    """
    c, weight = model.config, model.emb.weight
    model.requires_grad_(False)
    for module in model.blocks:
        zeros = torch.zeros(c.n_head, c.head_size, c.head_size, device=weight.device)
        cast(Block, module).att.time_state = nn.Parameter(zeros)
    return _n_trained(model)


def time_states(model: PianoMuseRWKV) -> dict[str, NDArray[np.float32]]:
    """Return a copy of the tuned memories under their official names; empty where there are none."""
    return {
        name: parameter.detach().float().cpu().numpy().copy()
        for name, parameter in model.named_parameters()
        if name.endswith(TIME_STATE)
    }


def is_plain(name: str) -> bool:
    """Say whether a parameter is one of an official model, and no adapter or tuned memory."""
    return not name.endswith((*_LORA, TIME_STATE))


def plain_tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the official names and tensors of a model: adapters are merged in, a tuned memory is left out."""
    adapted = lora_layers(model)
    for name, tensor in model.state_dict().items():
        if is_plain(name):
            layer = adapted.get(name.removesuffix(".weight"))
            yield name, tensor if layer is None else layer.merged()


def adapter_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return the trained part of LoRA alone: `NAME.lora_A` [r, in], `NAME.lora_B` [out, r]."""
    return {
        f"{name}.{part}": getattr(layer, part).detach() for name, layer in lora_layers(model).items() for part in _LORA
    }


@torch.no_grad()
def load_adapter(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put what `adapter_tensors` returned back.

    Raises:
        CheckpointError: names or shapes are others.
    """
    own = adapter_tensors(model)
    wrong = sorted(own.keys() ^ tensors.keys())
    wrong += [name for name in own if name in tensors and tensors[name].shape != own[name].shape]
    if wrong:
        raise CheckpointError(f"adapter: {', '.join(wrong[:3])} do not fit this model and rank; use the run's own")
    for name, tensor in own.items():
        tensor.copy_(tensors[name])


def _n_trained(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
