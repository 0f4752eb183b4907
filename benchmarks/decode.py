"""How fast the CPU runtime writes and reads tokens, beside the PyPI package `rwkv` (float32) and the memory's speed.

    python benchmarks/decode.py [--n-layer 12] [--n-embd 384] [--seconds 3]

The tests that hold both equal run first. All contenders take turns in short slices until each has had its seconds, and
the best slice of each counts, so that other work on the machine hits all of them alike; the package runs with one and
with two threads and its better time counts. Let nothing else run: two threads of the package come nearly to a stop
(3 tokens/s) where the processors are busy. The ceiling is the time to read the weights and to read and write the state
once at the memory bandwidth that two threads reach here; weights that stay in the cache can beat it. The last line is
one JSON document.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pianomuse.checkpoint.config import ModelConfig, parameter_count, tensor_shapes
from pianomuse.runtime.engine import CpuEngine
from pianomuse.runtime.state import State

TEST = Path(__file__).parents[1] / "tests" / "runtime" / "test_engine_equals_definition.py"
STEPS, PROMPT = 8, 256
Run = Callable[[], float]  # tokens per second of one slice


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-layer", type=int, default=12)
    parser.add_argument("--n-embd", type=int, default=384)
    parser.add_argument("--vocab-size", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each contender")
    parser.add_argument("--threads", type=int, default=None, help="of ours; default: what the engine chooses")
    options = parser.parse_args()
    subprocess.run([sys.executable, "-m", "pytest", "-q", str(TEST)], check=True, stdout=sys.stderr)
    config = ModelConfig(options.vocab_size, options.n_layer, options.n_embd)
    tensors = random_weights(config)
    engines = {p: CpuEngine(config, tensors, precision=p, threads=options.threads) for p in ("float32", "int8")}
    contenders = package_runs(config, tensors)
    for precision, engine in engines.items():
        contenders |= {f"decode/{precision}/batch{n}": ours(engine, n) for n in (1, 8)}
        contenders[f"prefill/{precision}"] = ours_prefill(engine)
    bandwidth = 0.0
    best, left = dict.fromkeys(contenders, 0.0), dict.fromkeys(contenders, options.seconds)
    while any(seconds > 0 for seconds in left.values()):
        bandwidth = max(bandwidth, read_bandwidth())
        for name, run in contenders.items():
            if left[name] > 0:
                began = time.perf_counter()
                best[name] = max(best[name], run())
                left[name] -= time.perf_counter() - began
    machine = describe_machine(engines["float32"].threads, bandwidth)
    print(f"{machine['processor']}, {machine['processors']} processors, {machine['gigabytes_per_s']} GB/s")
    print(f"L{config.n_layer}-D{config.n_embd}, {parameter_count(config) / 1e6:.1f}M parameters")
    results = [compare(name, best, config, bandwidth) for name in best if not name.startswith("rwkv")]
    for row in results:
        share = f", {row['ours'] / row['ceiling']:.0%} of the ceiling" if row["ceiling"] else ""
        print(f"{row['name']:32} {row['ours']:8.0f} tokens/s  {row['ratio']:6.2f} x {row['peer']:.0f}{share}")
    print(json.dumps({"machine": machine, "results": results}))


def compare(name: str, best: dict[str, float], config: ModelConfig, bandwidth: float) -> dict[str, str | float | None]:
    kind = name.split("/")[0]
    peer = max(speed for other, speed in best.items() if other.startswith(f"rwkv/{kind}"))
    ceiling = None
    if kind == "decode":
        lanes = int(name.rsplit("batch", 1)[1])
        weights = parameter_count(config) * (1 if "int8" in name else 4)
        ceiling = round(lanes * bandwidth / (weights + 2 * lanes * State.empty(config).size_bytes), 1)
    return {
        "name": f"{name}/rwkv",
        "ours": round(best[name], 1),
        "peer": round(peer, 1),
        "ratio": round(best[name] / peer, 2),
        "unit": "tokens/s",
        "ceiling": ceiling,
    }


def ours(engine: CpuEngine, lanes: int) -> Run:
    state = State.empty(engine.config, lanes)

    def run() -> float:
        began = time.perf_counter()
        for token in range(STEPS):
            engine.step(np.arange(lanes) + token, state)
        return STEPS * lanes / (time.perf_counter() - began)

    return run


def ours_prefill(engine: CpuEngine) -> Run:
    return timed(lambda ids: engine.prefill(ids), engine.vocab_size)


def timed(read: Callable[[NDArray[np.int64]], object], vocab_size: int) -> Run:
    ids = np.random.default_rng(0).integers(0, vocab_size, PROMPT)

    def run() -> float:
        began = time.perf_counter()
        read(ids)
        return PROMPT / (time.perf_counter() - began)

    return run


def package_runs(config: ModelConfig, tensors: dict[str, NDArray[np.float32]]) -> dict[str, Run]:
    os.environ.update(RWKV_V7_ON="1", RWKV_JIT_ON="1", RWKV_CUDA_ON="0")
    warnings.simplefilter("ignore")
    import torch
    from rwkv.model import RWKV

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        torch.save({name: torch.from_numpy(value) for name, value in tensors.items()}, f"{path}.pth")
        package = RWKV(model=str(path), strategy="cpu fp32")

    def runs(threads: int) -> dict[str, Run]:
        states = [package.forward([1, 2, 3], None)[1]]

        def decode() -> float:
            torch.set_num_threads(threads)
            began = time.perf_counter()
            for token in range(STEPS):
                states[0] = package.forward(token, states[0])[1]
            return STEPS / (time.perf_counter() - began)

        def read(ids: NDArray[np.int64]) -> object:
            torch.set_num_threads(threads)
            return package.forward(ids.tolist(), None)

        return {
            f"rwkv/decode/{threads}": decode,
            f"rwkv/prefill/{threads}": timed(read, config.vocab_size),
        }

    return runs(1) | runs(2)


def random_weights(config: ModelConfig) -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    return {
        name: (rng.standard_normal(shape) / math.sqrt(shape[-1])).astype(np.float32)
        for name, shape in tensor_shapes(config).items()
    }


BLOCKS = [np.ones(32 * 2**20, np.float32) for _ in range(2)]


def read_bandwidth() -> float:
    """Bytes per second that two threads read from memory."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(np.max, [block[:8] for block in BLOCKS]))
        began = time.perf_counter()
        list(pool.map(np.max, BLOCKS))
        return sum(block.nbytes for block in BLOCKS) / (time.perf_counter() - began)


def describe_machine(threads: int, bandwidth: float) -> dict[str, str | int | float]:
    names = [line.split(":")[1].strip() for line in read_lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "threads": threads,
        "gigabytes_per_s": round(bandwidth / 1e9, 1),
        "load_before": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else -1.0,
        "system": platform.platform(),
    }


def read_lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines() if Path(path).exists() else []


if __name__ == "__main__":
    main()
