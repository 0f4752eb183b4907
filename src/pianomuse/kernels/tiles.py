"""Small dense products on flat float32 arrays, in vectors of 32: what the 16 steps of the WKV gradient consist of.

Matrices are given as (array, offset of the first number, distance of the rows); everything is float32 and inlined into
the kernel that calls it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from pianomuse.kernels.vectors import LANES, fill, fma, has_many_registers, load, spread, store, transpose

STEPS = 16  # rows of a block of steps; `transpose` works on tiles of 16


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a kernel: without the interpreter's lock, kept on disk."""
    return njit(nogil=True, cache=True, error_model="numpy")(function)


@compiled
def transposed(source, source_at, target, target_at, N):  # type: ignore[no-untyped-def]
    """Write an N x N matrix transposed; N a multiple of 16."""
    for i in range(0, N, 16):
        for j in range(0, N, 16):
            transpose(source, source_at + i * N + j, N, target, target_at + j * N + i, N)


@compiled
def product(x, x_at, x_stride, z, z_at, z_stride, out, out_at, out_stride, n_rows, n_columns, n_inner, accumulate):  # type: ignore[no-untyped-def]
    """out (+)= x z; n_rows a multiple of 4, n_columns of 32.

    As many rows at once as sums fit into the registers: four with AVX-512, two with AVX2 (twice as fast there as four).
    """
    rows_at_once = 4 if has_many_registers() else 2
    for j in range(0, n_columns, LANES):
        for i in range(0, n_rows, rows_at_once):
            o = out_at + i * out_stride + j
            s0 = s1 = s2 = s3 = fill(np.float32(0.0))
            if accumulate:
                s0 = load(out, o)
                s1 = load(out, o + out_stride)
                if has_many_registers():
                    s2 = load(out, o + 2 * out_stride)
                    s3 = load(out, o + 3 * out_stride)
            x0 = x_at + i * x_stride
            x1 = x0 + x_stride
            x2 = x1 + x_stride
            x3 = x2 + x_stride
            for q in range(n_inner):
                zq = load(z, z_at + q * z_stride + j)
                s0 = fma(spread(x, x0 + q), zq, s0)
                s1 = fma(spread(x, x1 + q), zq, s1)
                if has_many_registers():
                    s2 = fma(spread(x, x2 + q), zq, s2)
                    s3 = fma(spread(x, x3 + q), zq, s3)
            store(out, o, s0)
            store(out, o + out_stride, s1)
            if has_many_registers():
                store(out, o + 2 * out_stride, s2)
                store(out, o + 3 * out_stride, s3)


@compiled
def clear_diagonal(work, matrix):  # type: ignore[no-untyped-def]
    """Step t reads u_t before b_t and k_t are written: columns 0..15 (a_t, dz_t) count for s < t only."""
    for s in range(STEPS):
        work[matrix + s * 32 + s] = 0.0
        work[matrix + (16 + s) * 32 + s] = 0.0


@compiled
def add_upper(work, matrix, x, z, out_0, out_1, N):  # type: ignore[no-untyped-def]
    """Add to out_0[s], out_1[s] the sum over t >= s of matrix[s | 16 + s, t] x[t] + matrix[.., 16 + t] z[t].

    From the last row to the first, so that x may be out_0: that solves the triangular system.
    """
    for s in range(STEPS - 1, -1, -1):
        m0 = matrix + s * 32
        m1 = m0 + 16 * 32
        for j in range(0, N, LANES):
            s0 = load(work, out_0 + s * N + j)
            s1 = load(work, out_1 + s * N + j)
            for t in range(s, STEPS):
                xt = load(work, x + t * N + j)
                zt = load(work, z + t * N + j)
                s0 = fma(spread(work, m0 + t), xt, s0)
                s1 = fma(spread(work, m1 + t), xt, s1)
                s0 = fma(spread(work, m0 + 16 + t), zt, s0)
                s1 = fma(spread(work, m1 + 16 + t), zt, s1)
            store(work, out_0 + s * N + j, s0)
            store(work, out_1 + s * N + j, s1)


@compiled
def add_lower(work, matrix, x, out, N):  # type: ignore[no-untyped-def]
    """Add to out[t], out[16 + t] the sum over s <= t of matrix[s, t | 16 + t] x[s] + matrix[16 + s, ..] x[16 + s]."""
    for t in range(STEPS):
        for j in range(0, N, LANES):
            s0 = load(work, out + t * N + j)
            s1 = load(work, out + (16 + t) * N + j)
            for s in range(t + 1):
                xs = load(work, x + s * N + j)
                zs = load(work, x + (16 + s) * N + j)
                m = matrix + s * 32 + t
                s0 = fma(spread(work, m), xs, s0)
                s1 = fma(spread(work, m + 16), xs, s1)
                s0 = fma(spread(work, m + 512), zs, s0)
                s1 = fma(spread(work, m + 528), zs, s1)
            store(work, out + t * N + j, s0)
            store(work, out + (16 + t) * N + j, s1)
