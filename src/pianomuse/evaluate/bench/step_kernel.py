# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, import-untyped, import-not-found"
"""A peer for `pianomuse bench wkv` on a GPU: WKV-7 step by step, as RWKV's own training kernels compute it.

One program for a head of a batch row walks all steps with the state in registers. Forward keeps the state at the end
of every 16 steps and all u_t = S_{t-1} a_t; backward walks back and divides each state out of the next (exact to four
digits at the fastest decay, and only with a bounded one). The algorithm is that of BlinkDL/RWKV-LM,
RWKV-v7/train_temp/cuda, written anew in Triton; it takes no first state and gives no gradient of the last.

Legend: T steps, a multiple of 16; H heads, N head size; sequences [B, T, H, N], states [B H, T / 16, N(value), N(key)].
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

KEPT_EVERY = 16


def wkv7(r: Tensor, log_decay: Tensor, k: Tensor, v: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return y [B, T, H, N] in the dtype of r and the state after the last step, float32 [B, H, N, N]."""
    y, final = _Steps.apply(r, log_decay, k, v, a, b)
    return y, final


class _Steps(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *sequences: Tensor) -> tuple[Tensor, Tensor]:
        r = sequences[0]
        B, T, H, N = r.shape
        y, u = torch.empty_like(r), torch.empty_like(r, dtype=torch.float32)
        states = r.new_empty(B, H, T // KEPT_EVERY, N, N, dtype=torch.float32)
        _forward[(B * H,)](*sequences, y, u, states, T, H=H, N=N, KEPT=KEPT_EVERY)
        ctx.save_for_backward(*sequences, u, states)
        return y, states[:, :, -1].clone()

    @staticmethod
    def backward(ctx: Any, dy: Tensor, _: Tensor) -> tuple[Tensor, ...]:
        *sequences, u, states = ctx.saved_tensors
        B, T, H, N = dy.shape
        gradients = [torch.empty_like(x) for x in sequences]
        _backward[(B * H,)](*sequences, dy.contiguous(), u, states, *gradients, T, H=H, N=N, KEPT=KEPT_EVERY)
        return tuple(gradients)


@triton.jit
def _forward(
    r, log_decay, k, v, a, b, y, u, states, T,
    H: tl.constexpr, N: tl.constexpr, KEPT: tl.constexpr,
):  # fmt: skip
    head, i = tl.program_id(0), tl.arange(0, N)
    at = (head // H * T * H + head % H) * N + i
    state = states + head * (T // KEPT) * N * N + i[:, None] * N + i[None, :]
    S = tl.zeros((N, N), tl.float32)
    for t in range(T):
        u_now = tl.sum(S * _row(a, at), axis=1)
        S = S * tl.exp(_row(log_decay, at)) + u_now[:, None] * _row(b, at) + _column(v, at) * _row(k, at)
        tl.store(y + at, tl.sum(S * _row(r, at), axis=1).to(y.dtype.element_ty))
        tl.store(u + at, u_now)
        if (t + 1) % KEPT == 0:
            tl.store(state, S)
            state += N * N
        at += H * N


@triton.jit
def _backward(
    r, log_decay, k, v, a, b, dy, u, states, dr, dlog_decay, dk, dv, da, db, T,
    H: tl.constexpr, N: tl.constexpr, KEPT: tl.constexpr,
):  # fmt: skip
    head, i = tl.program_id(0), tl.arange(0, N)
    at = ((head // H * T + T - 1) * H + head % H) * N + i
    state = states + (head + 1) * (T // KEPT) * N * N + i[:, None] * N + i[None, :]
    S, G = tl.zeros((N, N), tl.float32), tl.zeros((N, N), tl.float32)
    for back in range(T):
        if back % KEPT == 0:
            state -= N * N
            S = tl.load(state)
        w, a_now, k_now, b_now = tl.exp(_row(log_decay, at)), _row(a, at), _row(k, at), _row(b, at)
        dy_now, v_now, u_now = _column(dy, at), _column(v, at), _column(u, at)
        G += dy_now * _row(r, at)
        _put(dr, at, tl.sum(S * dy_now, axis=0))
        _put(dv, at, tl.sum(G * k_now, axis=1))
        _put(dk, at, tl.sum(G * v_now, axis=0))
        _put(db, at, tl.sum(G * u_now, axis=0))
        du = tl.sum(G * b_now, axis=1)[:, None]
        S = (S - u_now * b_now - v_now * k_now) / w
        _put(da, at, tl.sum(S * du, axis=0))
        _put(dlog_decay, at, tl.sum(G * S * w, axis=0))
        G = G * w + du * a_now
        at -= H * N


@triton.jit
def _row(x, at):
    return tl.load(x + at).to(tl.float32)[None, :]


@triton.jit
def _column(x, at):
    return tl.load(x + at).to(tl.float32)[:, None]


@triton.jit
def _put(x, at, value):
    tl.store(x + at, value.to(x.dtype.element_ty))
