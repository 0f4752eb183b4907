"""One token of one head of RWKV-7's time mix, compiled, forward only: what a running model needs of the operator.

All numbers of a token lie in one flat float32 array `s`; the arguments named after them are offsets into it.

Legend: N head size, a multiple of 32; the state of a head is [N (value), N (key)], float32; r, w, k, v, a, b, y as in
pianomuse.wkv, where the operator is defined.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from pianomuse.kernels.matvec import total
from pianomuse.kernels.vectors import LANES, add, fill, fma, load, mul, spread, store, sub

GROUP_NORM_EPS = 64e-5


@njit(nogil=True)
def prepare_keys(s, k, rate, removal, vectors, k_k, k_a, N):  # type: ignore[no-untyped-def]
    """Turn key and in-context learning rate of a head into the operator's k, a and b, in place.

    kk is the key times vectors[k_k:], scaled to length 1. Then removal becomes a = -kk, rate becomes b = kk * rate,
    and k becomes k * (1 + (rate - 1) * vectors[k_a:]).
    """
    one = fill(np.float32(1))
    squares = fill(np.float32(0))
    for j in range(0, N, LANES):
        kk = mul(load(s, k + j), load(vectors, k_k + j))
        store(s, removal + j, kk)
        squares = fma(kk, kk, squares)
    scale = np.float32(-1) / max(np.float32(math.sqrt(total(squares))), np.float32(1e-12))
    for j in range(0, N, LANES):
        a = mul(load(s, removal + j), fill(scale))
        lr = load(s, rate + j)
        store(s, removal + j, a)
        store(s, rate + j, mul(mul(a, lr), fill(np.float32(-1))))
        store(s, k + j, mul(load(s, k + j), fma(sub(lr, one), load(vectors, k_a + j), one)))


@njit(nogil=True)
def recur(s, r, w, k, v, a, b, y, state, at, N):  # type: ignore[no-untyped-def]
    """Advance the state of a head, at state[at:], by one token and read it into y."""
    if N == 2 * LANES:
        return _recur_64(s, r, w, k, v, a, b, y, state, at)
    for i in range(N):
        row = at + i * N
        sums = fill(np.float32(0))
        for j in range(0, N, LANES):
            sums = fma(load(state, row + j), load(s, a + j), sums)
        removed, value = fill(total(sums)), spread(s, v + i)
        sums = fill(np.float32(0))
        for j in range(0, N, LANES):
            memory = fma(value, load(s, k + j), mul(load(state, row + j), load(s, w + j)))
            memory = fma(removed, load(s, b + j), memory)
            store(state, row + j, memory)
            sums = fma(memory, load(s, r + j), sums)
        s[y + i] = total(sums)
    return None


@njit(nogil=True)
def _recur_64(s, r, w, k, v, a, b, y, state, at):  # type: ignore[no-untyped-def]
    """The same for the usual head size, with the token's vectors held in registers."""
    r_0, r_1, w_0, w_1 = load(s, r), load(s, r + LANES), load(s, w), load(s, w + LANES)
    k_0, k_1, a_0, a_1 = load(s, k), load(s, k + LANES), load(s, a), load(s, a + LANES)
    b_0, b_1 = load(s, b), load(s, b + LANES)
    for i in range(2 * LANES):
        row = at + i * 2 * LANES
        memory_0, memory_1 = load(state, row), load(state, row + LANES)
        removed = fill(total(fma(memory_1, a_1, mul(memory_0, a_0))))
        value = spread(s, v + i)
        memory_0 = fma(removed, b_0, fma(value, k_0, mul(memory_0, w_0)))
        memory_1 = fma(removed, b_1, fma(value, k_1, mul(memory_1, w_1)))
        store(state, row, memory_0)
        store(state, row + LANES, memory_1)
        s[y + i] = total(fma(memory_1, r_1, mul(memory_0, r_0)))


@njit(nogil=True)
def finish_head(s, y, r, k, v, gate, vectors, weight, bias, r_k, N):  # type: ignore[no-untyped-def]
    """Normalise y over the head, add the bonus of the present token, apply the gate; in place."""
    sums, bonuses = fill(np.float32(0)), fill(np.float32(0))
    for j in range(0, N, LANES):
        sums = add(sums, load(s, y + j))
        bonuses = fma(mul(load(s, r + j), load(s, k + j)), load(vectors, r_k + j), bonuses)
    mean, bonus = fill(total(sums) / np.float32(N)), fill(total(bonuses))
    squares = fill(np.float32(0))
    for j in range(0, N, LANES):
        deviation = sub(load(s, y + j), mean)
        squares = fma(deviation, deviation, squares)
    variance = total(squares) / np.float32(N)
    scale = fill(np.float32(1) / np.float32(math.sqrt(variance + np.float32(GROUP_NORM_EPS))))
    for j in range(0, N, LANES):
        normal = mul(sub(load(s, y + j), mean), scale)
        normal = fma(normal, load(vectors, weight + j), load(vectors, bias + j))
        store(s, y + j, mul(fma(bonus, load(s, v + j), normal), load(s, gate + j)))
