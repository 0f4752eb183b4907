"""The vector words inside a compiled loop."""

import numpy as np
from numba import njit

from pianomuse.kernels.vectors import LANES, add, exp, fill, fma, load, mul, reciprocal, spread, store, sub, transpose


@njit
def _exponentials(x, out):  # type: ignore[no-untyped-def]
    for i in range(0, x.size, LANES):
        store(out, i, exp(load(x, i)))


@njit
def _arithmetic(x, out):  # type: ignore[no-untyped-def]
    p, q = load(x, 0), spread(x, 3)
    store(out, 0, fma(p, q, fill(np.float32(2.0))))
    store(out, LANES, sub(add(p, q), mul(p, reciprocal(q))))


@njit
def _turned(x, out):  # type: ignore[no-untyped-def]
    transpose(x, 5, 20, out, 16, 17)


def test_exp_is_exact_to_a_rounding_or_two() -> None:
    x = np.linspace(-86.9, 87.9, 32 * 500, dtype=np.float32)
    out = np.empty_like(x)
    _exponentials(x, out)
    exact = np.exp(x.astype(np.float64))
    assert np.abs(out / exact - 1).max() < 2e-7


def test_exp_below_its_range_is_as_good_as_zero() -> None:
    x = np.full(LANES, -1e30, np.float32)
    out = np.empty_like(x)
    _exponentials(x, out)
    assert (out < 1e-37).all()


def test_arithmetic() -> None:
    x = np.arange(1, 1 + LANES, dtype=np.float32)
    out = np.empty(2 * LANES, np.float32)
    _arithmetic(x, out)
    np.testing.assert_allclose(out[:LANES], x * 4 + 2, rtol=1e-7)
    np.testing.assert_allclose(out[LANES:], x + 4 - x / 4, rtol=1e-6)


def test_transpose_moves_exactly_its_tile() -> None:
    x = np.random.default_rng(0).random((17, 20), dtype=np.float32)
    out = np.zeros((17, 17), np.float32)
    _turned(x.reshape(-1), out.reshape(-1))
    flat = x.reshape(-1)
    wanted = np.zeros(17 * 17, np.float32)
    for i in range(16):
        for j in range(16):
            wanted[16 + j * 17 + i] = flat[5 + i * 20 + j]
    assert np.array_equal(out.reshape(-1), wanted)
