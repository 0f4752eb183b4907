"""The RWKV-7 block: time mix (a recurrent memory) and channel mix (a small network per token).

Source: BlinkDL/RWKV-LM, RWKV-v7/train_temp/src/model.py; equal to the package `rwkv` in float32.

Legend: B batch, T time, C width, H heads, N head size; x residual stream, q normalised x, r receptance, k key,
v value, a in-context learning rate, g gate, w decay. All of [B, T, C]; per head [B, T, H, N].

A block is two pure stretches of work with the recurrence between them, `before_wkv` and `after_wkv`. The plain form
here is the definition; `compiled.py` tells of faster ones.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from pianomuse.checkpoint.config import ModelConfig
from pianomuse.model import fused
from pianomuse.model.deep_embed import DeepEmbed, Tokens
from pianomuse.wkv import wkv7

DECAY_LIMIT = math.exp(-0.5)  # log w lies in (-DECAY_LIMIT, 0)
GROUP_NORM_EPS = 64e-5
LAYER_NORM_EPS = 1e-5


class TimeMix(nn.Module):
    """Parameters and arithmetic of the time mix around the recurrence."""

    x_r: Tensor
    x_w: Tensor
    x_k: Tensor
    x_v: Tensor
    x_a: Tensor
    x_g: Tensor
    w0: Tensor
    w1: Tensor
    w2: Tensor
    a0: Tensor
    a1: Tensor
    a2: Tensor
    v0: Tensor
    v1: Tensor
    v2: Tensor
    k_k: Tensor
    k_a: Tensor
    time_state: nn.Parameter | None  # [H, N(value), N(key)], a tuned state before the first token (adapters.py)

    def __init__(self, config: ModelConfig, layer: int) -> None:
        """Allocate the parameters; `initial.py` fills them."""
        super().__init__()
        self.is_fused = False
        self.register_parameter("time_state", None)
        self.is_first, self.n_head, self.head_size = layer == 0, config.n_head, config.head_size
        C = config.n_embd
        for name in ("x_r", "x_w", "x_k", "x_v", "x_a", "x_g", "k_k", "k_a"):
            self.register_parameter(name, _empty(1, 1, C))
        ranks = [("w", config.decay_rank), ("a", config.iclr_rank)]
        if layer > 0:
            ranks.append(("v", config.value_rank))
        for letter, rank in ranks:
            self.register_parameter(f"{letter}0", _empty(1, 1, C))
            self.register_parameter(f"{letter}1", _empty(C, rank))
            self.register_parameter(f"{letter}2", _empty(rank, C))
        self.g1, self.g2 = _empty(C, config.gate_rank), _empty(config.gate_rank, C)
        self.r_k = _empty(config.n_head, config.head_size)
        self.receptance = nn.Linear(C, C, bias=False)
        self.key = nn.Linear(C, C, bias=False)
        self.value = nn.Linear(C, C, bias=False)
        self.output = nn.Linear(C, C, bias=False)
        self.ln_x = nn.GroupNorm(config.n_head, C, eps=GROUP_NORM_EPS)

    def beginning(self, batch: int) -> Tensor | None:
        """Return the memory before the first token, [B, H, N, N]: None is zeros."""
        return None if self.time_state is None else self.time_state.expand(batch, -1, -1, -1)

    def inputs(self, q: Tensor, shift: Tensor | None, v_first: Tensor | None) -> tuple[Tensor, ...]:
        """Return r, log_decay, k, v, a, b of the recurrence (float32 [B, T, H, N]), and g, v_first ([B, T, C])."""
        if self.is_fused:
            return self._fused_inputs(q, shift, v_first)
        d = _previous(q, shift) - q
        xr, xw, xk, xv, xa, xg = (q + d * mix for mix in (self.x_r, self.x_w, self.x_k, self.x_v, self.x_a, self.x_g))
        r, k, v = self.receptance(xr), self.key(xk), self.value(xv)
        omega = self.w0.float() + torch.tanh(xw @ self.w1) @ self.w2
        a = torch.sigmoid(self.a0 + (xa @ self.a1) @ self.a2)
        g = torch.sigmoid(xg @ self.g1) @ self.g2
        if self.is_first:
            v_first = v
        else:
            assert v_first is not None
            v = v + (v_first - v) * torch.sigmoid(self.v0 + (xv @ self.v1) @ self.v2)
        log_decay = -DECAY_LIMIT * torch.sigmoid(omega.to(_at_least_float32(omega)))
        kk = functional.normalize(self._heads(k * self.k_k), dim=-1, eps=1e-12)  # from the raw key
        k = k * (1 + (a - 1) * self.k_a)
        r, log_decay, k, v, a = (self._heads(z) for z in (r, log_decay, k, v, a))
        return r, log_decay, k, v, -kk, kk * a, g, v_first

    def outputs(self, y: Tensor, r: Tensor, k: Tensor, v: Tensor, g: Tensor) -> Tensor:
        """Return what the time mix adds to the stream: group norm of y, plus the bonus, gated and projected."""
        if self.is_fused:
            fused_out: Tensor = self.output(fused.joined(y, (r, k, v, g), self.r_k, self.ln_x))
            return fused_out
        B, T, H, N = y.shape
        normed = self.ln_x(y.reshape(B * T, H * N)).view(B, T, H, N)
        bonus = (r * k * self.r_k).sum(dim=-1, keepdim=True) * v
        out: Tensor = self.output((normed + bonus).view(B, T, H * N) * g)
        return out

    def _fused_inputs(self, q: Tensor, shift: Tensor | None, v_first: Tensor | None) -> tuple[Tensor, ...]:
        """Compute the same as `inputs`, with compiled loops for what is not a matrix product."""
        mixes = torch.cat((self.x_r, self.x_w, self.x_k, self.x_v, self.x_a, self.x_g)).flatten(1)
        xr, xw, xk, xv, xa, xg = fused.token_mixes(q, shift, mixes)
        v = self.value(xv)
        w = torch.tanh(xw @ self.w1) @ self.w2
        a = (xa @ self.a1) @ self.a2
        g = torch.sigmoid(xg @ self.g1) @ self.g2
        m = None if self.is_first else (xv @ self.v1) @ self.v2
        products = (self.receptance(xr), w, self.key(xk), v, a, m, v_first)
        v0 = None if self.is_first else self.v0.flatten()
        parameters = (self.w0.flatten(), self.a0.flatten(), v0, self.k_k.flatten(), self.k_a.flatten())
        return *fused.heads(products, parameters, self.n_head), g, v if v_first is None else v_first

    def _heads(self, z: Tensor) -> Tensor:
        return z.view(*z.shape[:2], self.n_head, self.head_size).to(_at_least_float32(z))


class ChannelMix(DeepEmbed):
    """Parameters and arithmetic of the channel mix: a ReLU² network on the token-shifted input, gated by DeepEmbed."""

    def __init__(self, config: ModelConfig) -> None:
        """Allocate the parameters; `initial.py` fills them."""
        super().__init__(config)
        self.is_fused = False
        self.x_k = _empty(1, 1, config.n_embd)
        self.key = nn.Linear(config.n_embd, config.dim_ffn, bias=False)
        self.value = nn.Linear(config.dim_ffn, config.n_embd, bias=False)

    def forward(self, q: Tensor, shift: Tensor | None, tokens: Tokens | None = None) -> Tensor:
        """Return what the channel mix adds to the stream.

        Args:
            q: [B, T, C], normalised.
            shift: [B, C], the input before the first token.
            tokens: those that are read; a model with DeepEmbed needs them.
        """
        if self.is_fused:
            (f,) = fused.token_mixes(q, shift, self.x_k.flatten(1))
        else:
            f = q + (_previous(q, shift) - q) * self.x_k
        hidden = self.key(f)
        if tokens is not None and self.is_fused:
            hidden = fused.gated_squared_relu(hidden, self.gate(q, tokens), self.s0.flatten())
        elif tokens is not None:
            hidden = torch.relu(hidden).square() * (self.gate(q, tokens) + self.s0)
        else:
            hidden = fused.squared_relu(hidden) if self.is_fused else torch.relu(hidden).square()
        out: Tensor = self.value(hidden)
        return out


class Block(nn.Module):
    """One layer: time mix, then channel mix, each added to the residual stream."""

    def __init__(self, config: ModelConfig, layer: int, dropout: float = 0.0) -> None:
        """Build layer number `layer`; only layer 0 normalises the embedding (`ln0`)."""
        super().__init__()
        self.dropout = dropout
        if layer == 0:
            self.ln0 = nn.LayerNorm(config.n_embd, eps=LAYER_NORM_EPS)
        self.ln1 = nn.LayerNorm(config.n_embd, eps=LAYER_NORM_EPS)
        self.ln2 = nn.LayerNorm(config.n_embd, eps=LAYER_NORM_EPS)
        self.att = TimeMix(config, layer)
        self.ffn = ChannelMix(config)

    def forward(
        self,
        x: Tensor,
        v_first: Tensor | None,
        shift: Tensor | None,
        memory: Tensor | None,
        mask: Tensor | None,
        tokens: Tokens | None,
        wkv: str | None,
    ) -> tuple[Tensor, Tensor | None, Tensor, Tensor, Tensor]:
        """Return the new stream, v_first from the first layer, the two normalised inputs (next shifts), the memory.

        Args:
            x: [B, T, C], the stream.
            v_first: the first layer's v; None in the first layer.
            shift: [2, B, C], the inputs of the two mixes before the first token.
            memory: [B, H, N, N] before the first token.
            mask: [B, T, 1], 0 at padding.
            tokens: see `ChannelMix`.
            wkv: operator backend, see `wkv7`.
        """
        att_shift, ffn_shift = (None, None) if shift is None else (shift[0], shift[1])
        if hasattr(self, "ln0"):
            x = self.ln0(x)
        q, (r, log_decay, k, v, a, b, g, v_first) = self.before_wkv(x, v_first, att_shift, mask)
        if mask is not None:  # padding leaves the memory as it is: no decay, nothing written
            head_mask = mask[..., None].to(k.dtype)
            log_decay, k, b = log_decay * head_mask, k * head_mask, b * head_mask
        y, memory = wkv7(r, log_decay, k, v, a, b, memory, backend=wkv)
        x, q2 = self.after_wkv(x, y, (r, k, v, g), ffn_shift, mask, tokens)
        return x, v_first if self.att.is_first else None, q, q2, memory

    def before_wkv(
        self, x: Tensor, v_first: Tensor | None, shift: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return q (ln1 of the stream) and the inputs of the recurrence; `mask` [B, T, 1] is 0 at padding."""
        q = self.ln1(x)
        if mask is not None:
            q = q * mask
        return q, self.att.inputs(q, shift, v_first)

    def after_wkv(
        self,
        x: Tensor,
        y: Tensor,
        rkvg: tuple[Tensor, ...],
        shift: Tensor | None,
        mask: Tensor | None,
        tokens: Tokens | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return the new stream and q2 (ln2 of the stream between the two mixes)."""
        x = self._drop(x + self.att.outputs(y, *rkvg))
        q = self.ln2(x)
        if mask is not None:
            q = q * mask
        return self._drop(x + self.ffn(q, shift, tokens)), q

    def _drop(self, x: Tensor) -> Tensor:
        # On the whole stream, as in RWKV-v5/src/model.py: much stronger than dropout inside a branch.
        return functional.dropout(x, self.dropout, self.training) if self.dropout > 0 else x


def _empty(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(shape))


def _at_least_float32(z: Tensor) -> torch.dtype:
    return torch.float64 if z.dtype == torch.float64 else torch.float32


def _previous(q: Tensor, shift: Tensor | None) -> Tensor:
    """Return q one token later: [B, T, C], the first place taken by `shift` [B, C] or zeros."""
    if shift is None:
        return functional.pad(q, (0, 0, 1, -1))
    return torch.cat((shift.unsqueeze(1).to(q.dtype), q[:, :-1]), dim=1)
