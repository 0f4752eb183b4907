"""What DeepEmbed costs: processor time with it beside that without, interleaved, one thread.

    python benchmarks/deep_embed.py

Prints one JSON line: ratios of the medians over rounds, for a training step (bfloat16, 4 layers of 384, four rows of
1,024 tokens) and for the CPU engine (12 layers of 384), a step of decoding and reading 256 tokens.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from pianomuse.checkpoint.config import DEEP_EMBED_RANK, ModelConfig
from pianomuse.model.compiled import use_loops
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.model.weights import weights_of
from pianomuse.runtime.engine import CpuEngine
from pianomuse.runtime.packing import Precision
from pianomuse.runtime.state import State

VOCABULARY = 761
IDS = np.random.default_rng(0).integers(0, VOCABULARY, 256)


def main() -> None:
    """Run the tests that hold it to be right, measure, print."""
    tests = ["tests/runtime/test_deep_embed.py", "tests/model/test_deep_embed.py"]
    subprocess.run([sys.executable, "-m", "pytest", *tests], check=True, cwd=Path(__file__).resolve().parents[1])
    torch.set_num_threads(1)
    ratios = {"train/bfloat16": _ratio(_training, rounds=5)}
    for precision in ("float32", "int8"):
        ratios[f"decode/{precision}"] = _ratio(lambda rank, p=precision: _decoding(rank, p), rounds=12)
        ratios[f"prefill/{precision}"] = _ratio(lambda rank, p=precision: _prefill(rank, p), rounds=12)
    print(json.dumps({"machine": platform.processor() or platform.machine(), "ratios": ratios}))


def _ratio(make: Callable[[int], Callable[[], None]], rounds: int) -> float:
    """Return the median over rounds of the time with DeepEmbed over that without."""
    works = [make(0), make(DEEP_EMBED_RANK)]
    for work in works:
        work()  # compiles
    times = np.array([[_seconds(work) for work in works] for _ in range(rounds)])
    return round(float(np.median(times[:, 1] / times[:, 0])), 3)


def _seconds(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _training(rank: int) -> Callable[[], None]:
    model = PianoMuseRWKV(ModelConfig(VOCABULARY, 4, 384, deep_embed_rank=rank), wkv="cpu").train()
    use_loops(model)
    ids = torch.randint(0, VOCABULARY, (4, 1024))

    def work() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = torch.nn.functional.cross_entropy(model(ids).float().flatten(0, 1), ids.flatten())
        loss.backward()
        model.zero_grad(set_to_none=True)

    return work


def _engine(rank: int, precision: Precision) -> CpuEngine:
    config = ModelConfig(VOCABULARY, 12, 384, deep_embed_rank=rank)
    return CpuEngine(config, weights_of(PianoMuseRWKV(config)), precision=precision, threads=1)


def _decoding(rank: int, precision: Precision) -> Callable[[], None]:
    engine = _engine(rank, precision)
    state = State.empty(engine.config)

    def work() -> None:
        for at in range(100):
            engine.step(IDS[at : at + 1], state)

    return work


def _prefill(rank: int, precision: Precision) -> Callable[[], None]:
    engine = _engine(rank, precision)

    def work() -> None:
        engine.prefill(IDS)

    return work


if __name__ == "__main__":
    main()
