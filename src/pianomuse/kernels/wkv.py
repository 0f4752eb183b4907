"""The WKV-7 recurrence and its gradient as compiled loops on float32 NumPy arrays.

    S_t = S_{t-1} diag(w_t) + (S_{t-1} a_t) b_t^T + v_t k_t^T        w = exp(log_decay)
    y_t = S_t r_t                                                    S: rows are values, columns are keys

r, w, k, v, a, b: [B, T, H, N]; S: [B, H, N, N]. `forward` walks the steps, all keys of 32 values at a time, and keeps
the state at the start of every 16 steps and u_t = S_{t-1} a_t. `backward` takes 16 steps at once: everything inside
them becomes six small matrix products and three triangular ones, started from the state kept there (nothing is ever
divided out of a state). One head of one batch row is one piece of work for `share`.

The gradient divides by the decay of up to 16 steps, so it relies on log_decay >= -5 (RWKV-7 stays above -0.61).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pianomuse.kernels.share import Floats, aligned, share
from pianomuse.kernels.tiles import STEPS, add_lower, add_upper, clear_diagonal, compiled, product, transposed
from pianomuse.kernels.vectors import (
    LANES,
    exp,
    fill,
    fma,
    load,
    mul,
    prefetch,
    reciprocal,
    spread,
    store,
    stream,
    sub,
    transpose,
)


class Kept(NamedTuple):
    """What `forward` keeps for `backward`: 4 N (N / 16 + 1) bytes per step and head."""

    states: Floats  # [B, H, ceil(T / 16) + 1, N, N]: at the start of every 16 steps, and the last
    u: Floats  # [B, T, H, N]: S_{t-1} a_t


def forward(
    r: Floats,
    log_decay: Floats,
    k: Floats,
    v: Floats,
    a: Floats,
    b: Floats,
    state: Floats | None = None,
    *,
    keep: bool = True,
    threads: int | None = None,
) -> tuple[Floats, Floats, Kept | None]:
    """Run the recurrence over all steps.

    Args:
        r: float32 [B, T, H, N], like `log_decay` (<= 0), `k`, `v`, `a` and `b`; N a multiple of 32.
        state: float32 [B, H, N(value), N(key)] before the first step; zeros without it.
        keep: keep what `backward` needs.
        threads: how many threads work; all cores without it.

    Returns:
        y [B, T, H, N], the state after the last step [B, H, N, N], and what was kept (None without `keep`).
    """
    B, T, H, N = r.shape
    n_states = (-(-T // STEPS) if keep else 1) + 1
    states = aligned((B, H, n_states, N, N))
    states[:, :, 0] = 0.0 if state is None else state
    y = aligned((B, T, H, N))
    u = aligned((B, T, H, N) if keep else (B, H, N))
    inputs = [_flat(array) for array in (r, log_decay, k, v, a, b)]

    def head(index: int, work: Floats) -> None:
        _forward_head(*inputs, _flat(states), _flat(u), _flat(y), work, index // H, index % H, T, H, N, n_states, keep)

    share(head, B * H, 2 * N * N + STEPS * N, threads if T > 1 else 1)
    return y, states[:, :, -1].copy(), Kept(states, u) if keep else None


def backward(
    r: Floats,
    log_decay: Floats,
    k: Floats,
    v: Floats,
    a: Floats,
    b: Floats,
    kept: Kept,
    dy: Floats,
    dstate: Floats | None = None,
    *,
    threads: int | None = None,
) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats, Floats]:
    """Return the gradients of r, log_decay, k, v, a, b and of the state before the first step.

    Args:
        r: as given to `forward`, like `log_decay`, `k`, `v`, `a` and `b`.
        kept: what `forward` kept.
        dy: gradient of y, [B, T, H, N].
        dstate: gradient of the last state, [B, H, N, N]; zeros without it.
        threads: how many threads work; all cores without it.
    """
    B, T, H, N = r.shape
    dstate0 = aligned((B, H, N, N))
    dstate0[:] = 0.0 if dstate is None else dstate
    inputs = [_flat(array) for array in (r, log_decay, k, v, a, b, kept.u, dy, kept.states)]
    gradients = [aligned((B, T, H, N)) for _ in range(6)]
    outputs = [_flat(array) for array in (*gradients, dstate0)]

    def head(index: int, work: Floats) -> None:
        _backward_head(*inputs, *outputs, work, index // H, index % H, T, H, N)

    share(head, B * H, _backward_work(N), threads)
    dr, dlog_decay, dk, dv, da, db = gradients
    return dr, dlog_decay, dk, dv, da, db, dstate0


def _flat(array: Floats) -> Floats:
    return np.ascontiguousarray(array, np.float32).reshape(-1)


@compiled
def _forward_head(r, log_decay, k, v, a, b, states, u, y, work, row, head, T, H, N, n_states, keep):  # type: ignore[no-untyped-def]
    stride = H * N
    first = row * T * stride + head * N
    state_at = (row * H + head) * n_states * N * N
    u_at, u_stride = (first, stride) if keep else ((row * H + head) * N, 0)
    w_at = N * N  # work: the state with keys as rows, 16 decays, room to turn the state
    turned_at = w_at + STEPS * N
    transposed(states, state_at, work, 0, N)
    for begin in range(0, T, STEPS):
        n_steps = min(STEPS, T - begin)
        at = first + begin * stride
        for t in range(n_steps):
            for j in range(0, N, LANES):
                store(work, w_at + t * N + j, exp(load(log_decay, at + t * stride + j)))
                for array in (r, log_decay, k, v, a, b):
                    prefetch(array, at + (t + STEPS) * stride + j)
        for i in range(0, N, LANES):
            u_now = fill(np.float32(0.0))
            for j in range(N):
                u_now = fma(spread(a, at + j), load(work, j * N + i), u_now)
            for t in range(n_steps):
                now = at + t * stride
                later = now + stride if t + 1 < n_steps else now
                stream(u, u_at + (begin + t) * u_stride + i, u_now)
                v_now = load(v, now + i)
                y_now = fill(np.float32(0.0))
                u_next = fill(np.float32(0.0))
                for j in range(N):
                    s = mul(spread(work, w_at + t * N + j), load(work, j * N + i))
                    s = fma(spread(b, now + j), u_now, s)
                    s = fma(spread(k, now + j), v_now, s)
                    store(work, j * N + i, s)
                    y_now = fma(spread(r, now + j), s, y_now)
                    u_next = fma(spread(a, later + j), s, u_next)
                store(y, now + i, y_now)
                u_now = u_next
        if keep:  # not needed before `backward`: past the caches, which makes the whole loop a fifth faster
            state_at += N * N
            transposed(work, 0, work, turned_at, N)
            for i in range(0, N * N, LANES):
                stream(states, state_at + i, load(work, turned_at + i))
    if not keep:
        transposed(work, 0, states, state_at + N * N, N)


def _backward_work(N: int) -> int:
    """Floats of work memory that `_backward_head` needs; the layout is written at its top."""
    return 2 * N * N + (17 + 16 + 32 + 32 + 32 + 48 + 32 + 32 + 32 + 32) * N + 2 * 32 * 32


@compiled
def _backward_head(r, log_decay, k, v, a, b, u, dy, states, dr, dlw, dk, dv, da, db, dstate, work, row, head, T, H, N):  # type: ignore[no-untyped-def]
    stride = H * N
    first = row * T * stride + head * N
    n_chunks = (T + STEPS - 1) // STEPS
    state_at = (row * H + head) * (n_chunks + 1) * N * N
    G = (row * H + head) * N * N  # in dstate: gradient of the state, [value, key]
    # work memory, rows of N numbers; X;Z are two stacked blocks of 16 rows, X|Z two blocks side by side
    L = STEPS * N
    Gt = 0  # G with keys as rows
    P = N * N + N  # decay from the start of the 16 steps up to and with step t; the row before the first is 1
    Pinv = P + L  # 1 / P
    AR = Pinv + L  # a P_{t-1} ; r P_t
    BK = AR + 2 * L  # b / P ; k / P
    UV = BK + 2 * L  # u ; v
    VZY = UV + 2 * L  # dv ; dz ; dy, where dz_t is the gradient of u_t = S_{t-1} a_t
    dAR = VZY + 3 * L
    dBK = dAR + 2 * L
    ARt = dBK + 2 * L  # [key, 32]: AR transposed
    ZYt = ARt + 2 * L  # [value, 32]: dz ; dy transposed
    M = ZYt + 2 * L  # [32, 32]: rows b_s, k_s; columns a_t, r_t
    D = M + 1024  # [32, 32]: rows u_s, v_s; columns dz_t, dy_t
    for chunk in range(n_chunks - 1, -1, -1):
        begin = chunk * STEPS
        n_steps = min(STEPS, T - begin)
        at = first + begin * stride
        S = state_at + chunk * N * N
        _scaled(r, log_decay, k, v, a, b, u, dy, work, at, stride, n_steps, N, P, Pinv, AR, BK, UV, VZY)
        last = P + L - N
        for j in range(0, N, LANES):  # Pinv's place is not free: the sum over S * G goes to the first row of dAR
            total = fill(np.float32(0.0))
            p = load(work, last + j)
            for i in range(N):
                g = load(dstate, G + i * N + j)
                total = fma(load(states, S + N * N + i * N + j), g, total)
                store(dstate, G + i * N + j, mul(g, p))
            store(work, N * N + j, total)
        transposed(dstate, G, work, Gt, N)
        for i in range(0, N, 16):
            for half in range(2):
                transpose(work, AR + half * L + i, N, work, ARt + i * 32 + half * 16, 32)
        product(work, BK, N, work, ARt, 32, work, M, 32, 32, 32, N, False)
        product(work, BK, N, work, Gt, N, work, VZY + L, N, 16, N, N, False)
        product(work, BK + L, N, work, Gt, N, work, VZY, N, 16, N, N, False)
        clear_diagonal(work, M)
        add_upper(work, M, VZY + L, VZY + 2 * L, VZY + L, VZY, N)
        for i in range(0, N, 16):
            for half in range(2):
                transpose(work, VZY + (1 + half) * L + i, N, work, ZYt + i * 32 + half * 16, 32)
        product(work, UV, N, work, ZYt, 32, work, D, 32, 32, 32, N, False)
        clear_diagonal(work, D)
        product(work, VZY + L, N, states, S, N, work, dAR, N, 32, N, N, False)
        product(work, UV, N, dstate, G, N, work, dBK, N, 32, N, N, False)
        add_lower(work, D, BK, dAR, N)
        add_upper(work, D, AR, AR + L, dBK, dBK + L, N)
        product(work, ZYt, 32, work, AR, N, dstate, G, N, N, N, 32, True)
        for j in range(0, N, LANES):
            run = load(work, N * N + j)
            # the row of P before the first is 1 and shares its place with the sum over S * G, read just above
            store(work, N * N + j, fill(np.float32(1.0)))
            for t in range(n_steps - 1, -1, -1):
                row_t = t * N + j
                out = at + t * stride + j
                p = load(work, P + row_t)
                pinv = load(work, Pinv + row_t)
                gr = mul(load(work, dAR + L + row_t), p)
                ga = mul(load(work, dAR + row_t), load(work, P - N + row_t))
                gb = mul(load(work, dBK + row_t), pinv)
                gk = mul(load(work, dBK + L + row_t), pinv)
                store(dr, out, gr)
                store(da, out, ga)
                store(db, out, gb)
                store(dk, out, gk)
                store(dv, out, load(work, VZY + row_t))
                run = fma(load(r, out), gr, run)
                run = sub(run, mul(load(k, out), gk))
                run = sub(run, mul(load(b, out), gb))
                store(dlw, out, run)
                run = fma(load(a, out), ga, run)


@compiled
def _scaled(r, log_decay, k, v, a, b, u, dy, work, at, stride, n_steps, N, P, Pinv, AR, BK, UV, VZY):  # type: ignore[no-untyped-def]
    """Fill P, Pinv, AR, BK, UV and the dy of VZY; steps past the end decay nothing and hold zeros."""
    L = STEPS * N
    zero = fill(np.float32(0.0))
    for j in range(0, N, LANES):
        p = fill(np.float32(1.0))
        pinv = p
        for t in range(STEPS):
            here = t * N + j
            if t < n_steps:
                now = at + t * stride + j
                store(work, AR + here, mul(load(a, now), p))
                p = mul(p, exp(load(log_decay, now)))
                pinv = reciprocal(p)
                store(work, AR + L + here, mul(load(r, now), p))
                store(work, BK + here, mul(load(b, now), pinv))
                store(work, BK + L + here, mul(load(k, now), pinv))
                store(work, UV + here, load(u, now))
                store(work, UV + L + here, load(v, now))
                store(work, VZY + 2 * L + here, load(dy, now))
            else:
                for place in (AR, AR + L, BK, BK + L, UV, UV + L, VZY + 2 * L):
                    store(work, place + here, zero)
            store(work, P + here, p)
            store(work, Pinv + here, pinv)
