"""What the hardware would allow, measured here: arithmetic, and reading from memory."""
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numba import njit

from pianomuse.kernels import vectors

_ROUNDS = 10
_READ_BYTES = 128 * 2**20  # per thread; far larger than most caches
_COPY_BYTES = 512 * 2**20


def operations_per_s() -> float:
    """Return float32 operations per second of one thread that does nothing but multiply-adds in registers."""
    numbers = np.full(32 * 8, 0.5, np.float32)
    n = 1_000_000
    _multiply_add(numbers, 10)
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.process_time()
        _multiply_add(numbers, n)
        best = min(best, time.process_time() - began)
    return n * 6 * 32 * 2 / best


def read_bytes_per_s(threads: int) -> float:
    """Return how many bytes per second `threads` threads read from memory together."""
    blocks = [np.ones(_READ_BYTES // 4, np.float32) for _ in range(threads)]
    best = 0.0
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(_ROUNDS):
            began = time.perf_counter()
            list(pool.map(np.max, blocks))
            best = max(best, threads * _READ_BYTES / (time.perf_counter() - began))
    return best


def copy_bytes_per_s(device: Any) -> float:
    """Return how many bytes per second a CUDA device reads and writes while it copies."""
    import torch

    source = torch.empty(_COPY_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    best = 0.0
    for _ in range(_ROUNDS):
        torch.cuda.synchronize(device)
        began = time.perf_counter()
        target.copy_(source)
        torch.cuda.synchronize(device)
        best = max(best, 2 * _COPY_BYTES / (time.perf_counter() - began))
    return best


def product_operations_per_s(device: Any, dtype: Any, clock: Callable[[], float]) -> float:
    """Return operations per second of a large matrix product: of one thread on a CPU, of the whole card elsewhere."""
    import torch

    size = 1024 if device.type == "cpu" else 8192
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    x, z = torch.randn(2, size, size, device=device).to(dtype)
    best = float("inf")
    for _ in range(_ROUNDS):
        began = clock()
        (x @ z).flatten()[0].item()  # waits until the device has done it
        best = min(best, clock() - began)
    torch.set_num_threads(threads)
    return 2 * size**3 / best


@njit(nogil=True, cache=True)
def _multiply_add(numbers, n):
    c, d, e = vectors.load(numbers, 0), vectors.load(numbers, 32), vectors.load(numbers, 64)
    f, g, h = vectors.load(numbers, 96), vectors.load(numbers, 128), vectors.load(numbers, 160)
    x, z = vectors.load(numbers, 192), vectors.load(numbers, 224)
    for _ in range(n):
        c, d, e = vectors.fma(c, x, z), vectors.fma(d, x, z), vectors.fma(e, x, z)
        f, g, h = vectors.fma(f, x, z), vectors.fma(g, x, z), vectors.fma(h, x, z)
    vectors.store(numbers, 0, vectors.add(vectors.add(vectors.add(c, d), vectors.add(e, f)), vectors.add(g, h)))
