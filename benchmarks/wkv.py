"""How fast the WKV-7 backends are, forward and backward, as ratios to autograd through the step loop.

    python benchmarks/wkv.py [--batch-size 8] [--steps 1024] [--heads 6] [--rounds 5] [--busy] [--skip-test]

First the matching test runs. Then every contender in turn, round after round, warmed up; the best round counts. Peers:
`loop`, autograd through the definition (timed on 128 steps, times steps / 128; a longer graph costs more), and
`autograd-chunks`, the chunk form differentiated by PyTorch. Memory (Linux): growth of the process's peak over one
forward and backward, each in a process of its own (the loop's again from 128 steps). Ceiling: the arithmetic of the
step form (36 N^2 operations per step and head) at the multiply-add speed measured here. On a machine with other load,
`--busy` runs one thread and counts its processor time instead of the clock on the wall. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numba import njit
from torch import Tensor

from pianomuse.kernels import vectors
from pianomuse.wkv import chunked, wkv7

LOOP_STEPS = 128
OPERATIONS = 36  # per step and state entry: 9 forward, 8 to have the state again, 19 backward
HEAD_SIZE = 64
Contender = Callable[[list[Tensor]], tuple[Tensor, Tensor]]
Clock = Callable[[], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("--batch-size", 8), ("--steps", 1024), ("--heads", 6), ("--rounds", 5)):
        parser.add_argument(name, type=int, default=default)
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--skip-test", action="store_true")
    settings = parser.parse_args()
    clock = time.perf_counter
    if settings.busy:
        torch.set_num_threads(1)
        clock = time.process_time
    if not settings.skip_test:
        test = ["-m", "pytest", "tests/wkv/test_operator.py", "-k", "extreme or 65"]
        subprocess.run([sys.executable, *test], check=True, stdout=sys.stderr, cwd=Path(__file__).parents[1])
    size = (settings.batch_size, settings.steps, settings.heads, HEAD_SIZE)
    n_tokens = settings.batch_size * settings.steps
    machine = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "clock": "processor" if settings.busy else "wall",
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    ceiling = OPERATIONS * n_tokens * settings.heads * HEAD_SIZE**2 / peak_operations(clock) / torch.get_num_threads()
    print(machine, f"B {size[0]}, T {size[1]}, H {size[2]}, N {size[3]}, float32; ceiling {1e3 * ceiling:.0f} ms")
    seconds = interleaved(size, settings.rounds, clock)
    results = []
    for ours in ("cpu", "chunked"):
        for peer in ("loop", "autograd-chunks"):
            ratio = seconds[peer] / seconds[ours]
            results.append(
                {
                    "name": f"wkv/{ours}/{peer}",
                    "ours": n_tokens / seconds[ours],
                    "peer": n_tokens / seconds[peer],
                    "ratio": ratio,
                    "unit": "tokens/s",
                    "ceiling": n_tokens / ceiling,
                }
            )
            print(f"{ours:8} {1e3 * seconds[ours]:8.1f} ms   {peer:16} {1e3 * seconds[peer]:8.1f} ms   {ratio:6.1f} x")
    short = (size[0], min(size[1], LOOP_STEPS), *size[2:])
    memory = {name: peak_memory(name, size) for name in seconds if name != "loop"}
    memory["loop"] = peak_memory("loop", short) * size[1] // short[1]
    for name, size_bytes in memory.items():
        print(f"{name:16} peak memory {size_bytes / 2**20:8.0f} MiB")
    print(json.dumps({"machine": machine, "results": results, "peak_memory_bytes": memory}))


def contenders() -> dict[str, Contender]:
    return {
        "cpu": lambda given: wkv7(*given, backend="cpu"),
        "chunked": lambda given: wkv7(*given, backend="chunked"),
        "autograd-chunks": autograd_chunks,
        "loop": lambda given: wkv7(*given, backend="reference"),
    }


def autograd_chunks(given: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return what wkv7 returns, by the chunk form of `pianomuse.wkv.chunked` left to PyTorch's autograd."""
    B, T, H, N = given[0].shape
    L = chunked.L
    r, log_decay, k, v, a, b = (x.view(B, T // L, L, H, N).permute(0, 3, 1, 2, 4) for x in given)
    total = log_decay.cumsum(-2)
    P = total.exp()
    A, R, Bs, K = a * (total - log_decay).exp(), r * P, b / P, k / P
    inverse = chunked._inverse((A @ Bs.mT).tril(-1))
    W, U0 = inverse @ A, inverse @ ((A @ K.mT).tril(-1) @ v)
    S, states, U = r.new_zeros(B, H, N, N), [], []
    for c in range(T // L):
        states.append(S)
        U.append(W[:, :, c] @ S.mT + U0[:, :, c])
        S = (S + v[:, :, c].mT @ K[:, :, c] + U[c].mT @ Bs[:, :, c]) * P[:, :, c, -1:]
    y = R @ torch.stack(states, 2).mT + (R @ K.mT).tril() @ v + (R @ Bs.mT).tril() @ torch.stack(U, 2)
    return y.permute(0, 2, 3, 1, 4).reshape(B, T, H, N), S


def inputs(size: tuple[int, ...]) -> list[Tensor]:
    torch.manual_seed(0)
    r, k, v, removal = torch.randn(4, *size)
    removal = torch.nn.functional.normalize(removal, dim=-1)
    given = [r, -0.6 * torch.rand(size), k, v, -removal, removal * torch.rand(size)]
    return [tensor.requires_grad_() for tensor in given]


def forward_backward(operator: Contender, given: list[Tensor], dy: Tensor, clock: Clock = time.perf_counter) -> float:
    begin = clock()
    y, _ = operator(given)
    torch.autograd.grad(y, given, dy)
    return clock() - begin


def interleaved(size: tuple[int, ...], n_rounds: int, clock: Clock) -> dict[str, float]:
    """Return the best seconds of every contender; round 0 warms up."""
    B, T, H, N = size
    short = (B, min(T, LOOP_STEPS), H, N)
    tensors = {name: inputs(short if name == "loop" else size) for name in contenders()}
    best = dict.fromkeys(tensors, float("inf"))
    for round_ in range(n_rounds + 1):
        for name, operator in contenders().items():
            given = tensors[name]
            seconds = forward_backward(operator, given, torch.ones_like(given[0]), clock) * T / given[0].shape[1]
            if round_ > 0:
                best[name] = min(best[name], seconds)
    return best


def peak_memory(name: str, size: tuple[int, ...]) -> int:
    """Return by how many bytes the peak of a fresh process grows over one forward and backward."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_memory, (name, size))


def _peak_memory(name: str, size: tuple[int, ...]) -> int:
    operator = contenders()[name]
    small = inputs((1, 32, 1, size[3]))
    forward_backward(operator, small, torch.ones_like(small[0]))
    given = inputs(size)
    dy = torch.ones_like(given[0])
    before = highest_resident_bytes()
    forward_backward(operator, given, dy)
    return highest_resident_bytes() - before


def highest_resident_bytes() -> int:
    # not getrusage: a new process starts with its parent's peak there
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def peak_operations(clock: Clock) -> float:
    """Return float32 operations per second of one thread doing nothing but multiply-adds in registers."""
    memory = np.full(32 * 8, 0.5, np.float32)
    n = 1_000_000
    _multiply_add(memory, 10)
    best = float("inf")
    for _ in range(10):
        begin = clock()
        _multiply_add(memory, n)
        best = min(best, clock() - begin)
    return n * 6 * 32 * 2 / best


@njit(nogil=True)
def _multiply_add(memory, n):
    c, d, e, f, g, h = (
        vectors.load(memory, 0),
        vectors.load(memory, 32),
        vectors.load(memory, 64),
        vectors.load(memory, 96),
        vectors.load(memory, 128),
        vectors.load(memory, 160),
    )
    x, z = vectors.load(memory, 192), vectors.load(memory, 224)
    for _ in range(n):
        c, d, e = vectors.fma(c, x, z), vectors.fma(d, x, z), vectors.fma(e, x, z)
        f, g, h = vectors.fma(f, x, z), vectors.fma(g, x, z), vectors.fma(h, x, z)
    vectors.store(memory, 0, vectors.add(vectors.add(vectors.add(c, d), vectors.add(e, f)), vectors.add(g, h)))


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
