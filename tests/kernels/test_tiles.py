"""The small dense products, as compiled for this machine and for one with fewer registers."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pianomuse.kernels.tiles import add_lower, add_upper, clear_diagonal, product


def test_product_writes_or_adds() -> None:
    rng = np.random.default_rng(0)
    x, z = rng.standard_normal((8, 40), dtype=np.float32), rng.standard_normal((40, 64), dtype=np.float32)
    out = np.full((8, 64), 7.0, np.float32)
    flat = out.reshape(-1)
    product(x.reshape(-1), 0, 40, z.reshape(-1), 0, 64, flat, 0, 64, 8, 64, 40, False)
    np.testing.assert_allclose(out, x @ z, atol=1e-5)
    product(x.reshape(-1), 0, 40, z.reshape(-1), 0, 64, flat, 0, 64, 8, 64, 40, True)
    np.testing.assert_allclose(out, 2 * (x @ z), atol=1e-5)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names features of x86 processors")
def test_product_on_a_machine_with_sixteen_registers(tmp_path: Path) -> None:
    environment = os.environ | {
        "NUMBA_CPU_NAME": "x86-64",
        "NUMBA_CPU_FEATURES": "+sse2",
        "NUMBA_CACHE_DIR": str(tmp_path),
    }
    here = Path(__file__)
    command = f"import runpy; runpy.run_path({str(here)!r})['test_product_writes_or_adds']()"
    subprocess.run([sys.executable, "-c", command], env=environment, check=True)


def test_triangular_sums() -> None:
    rng = np.random.default_rng(1)
    N = 32
    work = rng.standard_normal(1024 + 6 * 16 * N, dtype=np.float32)
    at = [1024 + i * 16 * N for i in range(6)]
    clear_diagonal(work, 0)
    matrix = work[:1024].reshape(32, 32).astype(np.float64)
    x, z, p, q = (work[begin : begin + 16 * N].reshape(16, N).astype(np.float64) for begin in at[:4])
    assert np.all(np.diag(matrix[:16, :16]) == 0)
    assert np.all(np.diag(matrix[16:, :16]) == 0)

    upper = [
        np.triu(matrix[rows, columns]) for rows in (slice(16), slice(16, 32)) for columns in (slice(16), slice(16, 32))
    ]
    add_upper(work, 0, at[0], at[1], at[2], at[3], N)
    np.testing.assert_allclose(work[at[2] : at[3]].reshape(16, N), p + upper[0] @ x + upper[1] @ z, atol=1e-4)
    np.testing.assert_allclose(work[at[3] : at[4]].reshape(16, N), q + upper[2] @ x + upper[3] @ z, atol=1e-4)

    out = work[at[4] :].reshape(32, N).astype(np.float64)
    add_lower(work, 0, at[0], at[4], N)
    early = upper[0].T @ x + upper[2].T @ z
    late = upper[1].T @ x + upper[3].T @ z
    np.testing.assert_allclose(work[at[4] :].reshape(32, N), out + np.vstack([early, late]), atol=1e-4)


def test_the_upper_sum_solves_in_place() -> None:
    rng = np.random.default_rng(2)
    N = 32
    work = 0.2 * rng.standard_normal(1024 + 3 * 16 * N, dtype=np.float32)
    work[1024 + 16 * N : 1024 + 2 * 16 * N] = 0.0  # z: nothing
    clear_diagonal(work, 0)
    matrix = np.triu(work[:1024].reshape(32, 32)[:16, :16].astype(np.float64))
    right = work[1024 : 1024 + 16 * N].reshape(16, N).astype(np.float64)
    add_upper(work, 0, 1024, 1024 + 16 * N, 1024, 1024 + 32 * N, N)
    np.testing.assert_allclose(
        work[1024 : 1024 + 16 * N].reshape(16, N), np.linalg.solve(np.eye(16) - matrix, right), atol=1e-4
    )
