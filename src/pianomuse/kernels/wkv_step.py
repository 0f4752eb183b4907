"""One token of one head of RWKV-7's time mix, compiled, forward only: what a running model needs of the operator.

Legend: N head size; the state of a head is [N (value), N (key)], float32; see pianomuse.wkv for the definition.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from pianomuse.kernels.matvec import total
from pianomuse.kernels.vectors import LANES, fill, fma, load, mul, store

GROUP_NORM_EPS = 64e-5
_FAST = {"reassoc", "contract", "nsz"}


@njit(nogil=True, fastmath=_FAST)  # type: ignore[untyped-decorator]
def prepare_keys(s, k, rate, removal, vectors, k_k, k_a, N):  # type: ignore[no-untyped-def]
    """Make the operator's inputs of a head, in place in the flat array s, whose arguments are offsets of N numbers.

    removal becomes -kk, rate (in: the in-context learning rate) becomes kk * rate, k becomes the key that is written;
    kk is the key times `vectors[k_k:]`, of length 1.
    """
    square = np.float32(0)
    for j in range(N):
        square += (s[k + j] * vectors[k_k + j]) ** 2
    scale = np.float32(1) / max(np.float32(math.sqrt(square)), np.float32(1e-12))
    for j in range(N):
        key, a = s[k + j], s[rate + j]
        kk = key * vectors[k_k + j] * scale
        s[removal + j] = -kk
        s[rate + j] = kk * a
        s[k + j] = key * (np.float32(1) + (a - np.float32(1)) * vectors[k_a + j])


@njit(nogil=True, fastmath=_FAST)  # type: ignore[untyped-decorator]
def recur(s, r, w, k, v, a, b, y, state, at, N):  # type: ignore[no-untyped-def]
    """Advance the state of a head at state[at:] by one token and read it: all other arguments are offsets in s."""
    whole = N - N % LANES
    for i in range(N):
        row = at + i * N
        sums = fill(np.float32(0))
        for j in range(0, whole, LANES):
            sums = fma(load(state, row + j), load(s, a + j), sums)
        removed = total(sums)
        for j in range(whole, N):
            removed += state[row + j] * s[a + j]
        value = s[v + i]
        sums = fill(np.float32(0))
        for j in range(0, whole, LANES):
            memory = fma(fill(value), load(s, k + j), mul(load(state, row + j), load(s, w + j)))
            memory = fma(fill(removed), load(s, b + j), memory)
            store(state, row + j, memory)
            sums = fma(memory, load(s, r + j), sums)
        out = total(sums)
        for j in range(whole, N):
            rest = state[row + j] * s[w + j] + removed * s[b + j] + value * s[k + j]
            state[row + j] = rest
            out += rest * s[r + j]
        s[y + i] = out


@njit(nogil=True, fastmath=_FAST)  # type: ignore[untyped-decorator]
def finish_head(s, y, r, k, v, gate, vectors, weight, bias, r_k, N):  # type: ignore[no-untyped-def]
    """Normalise y, add the bonus of the present token, apply the gate; in place."""
    mean, bonus = np.float32(0), np.float32(0)
    for j in range(N):
        mean += s[y + j]
        bonus += s[r + j] * s[k + j] * vectors[r_k + j]
    mean /= np.float32(N)
    variance = np.float32(0)
    for j in range(N):
        variance += (s[y + j] - mean) ** 2
    scale = np.float32(1) / np.float32(math.sqrt(variance / np.float32(N) + np.float32(GROUP_NORM_EPS)))
    for j in range(N):
        normal = (s[y + j] - mean) * scale * vectors[weight + j] + vectors[bias + j]
        s[y + j] = (normal + bonus * s[v + j]) * s[gate + j]
