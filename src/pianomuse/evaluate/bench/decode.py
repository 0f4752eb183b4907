"""How fast the CPU runtime writes and reads tokens.

Peers, each with one and with all threads, the better one counts: the package `rwkv` (float32) with the same weights,
and, where `transformers` is installed, a Llama-style Transformer of the same size with its KV cache, at several
lengths of context (RWKV's time per token does not depend on it). Let nothing else run: two threads of the package come
nearly to a stop where the processors are busy.

Ceiling: reading the weights once and the state once forth and back, at the memory bandwidth measured here; weights that
stay in the cache can beat it.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pianomuse.checkpoint.config import (
    MAX_LAYERS,
    MAX_VOCABULARY,
    MAX_WIDTH,
    ModelConfig,
    parameter_count,
    tensor_shapes,
)
from pianomuse.evaluate.bench import ceilings
from pianomuse.evaluate.bench.outcome import Outcome, Row, Tell, machine
from pianomuse.evaluate.bench.turns import Slice, fastest, take_turns
from pianomuse.runtime.engine import CpuEngine
from pianomuse.runtime.packing import Precision
from pianomuse.runtime.state import State
from pianomuse.runtime.workers import MAX_THREADS
from pianomuse.settings import whole_numbers
from pianomuse.train.environment import n_cores

KINDS: tuple[Precision, ...] = ("float32", "int8")
STEPS, PROMPT = 8, 256  # tokens written, and read, in one slice
Weights = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Settings:
    """The model's size and how long to measure."""

    n_layer: int = field(default=12, metadata={"help": "layers", "min": 1, "max": MAX_LAYERS})
    n_embd: int = field(
        default=384, metadata={"help": "width, a multiple of 64", "min": 64, "max": MAX_WIDTH, "multiple_of": 64}
    )
    vocab_size: int = field(default=512, metadata={"help": "tokens in the vocabulary", "min": 2, "max": MAX_VOCABULARY})
    threads: int | None = field(
        default=None, metadata={"help": "of ours; not set: what the engine chooses", "min": 1, "max": MAX_THREADS}
    )
    contexts: str = field(default="512,4096,16384", metadata={"help": "lengths at which the Transformer is timed"})
    seconds: float = field(default=3.0, metadata={"help": "for each contender", "min": 0, "max": 3600})


def measure(settings: Settings, tell: Tell = lambda text: None) -> Outcome:
    """Compare the runtime, in float32 and int8, alone and with eight lanes, with its peers."""
    config = ModelConfig(settings.vocab_size, settings.n_layer, settings.n_embd)
    contexts = whole_numbers("contexts", settings.contexts, most=1_048_576)
    weights = random_weights(config)
    tell(f"laying out L{config.n_layer}-D{config.n_embd}, {parameter_count(config) / 1e6:.1f}M parameters")
    engines = {kind: CpuEngine(config, weights, precision=kind, threads=settings.threads) for kind in KINDS}
    contenders: dict[str, Slice] = {}
    for kind, engine in engines.items():
        contenders |= {f"decode/{kind}/batch{lanes}": _writes(engine, lanes) for lanes in (1, 8)}
        contenders[f"prefill/{kind}"] = _reads(engine.prefill, config.vocab_size)
    ours = list(contenders)
    contenders |= _peers(config, weights, contexts)
    tell(f"timing {len(contenders)} contenders")
    best = take_turns(contenders, seconds=settings.seconds)
    bandwidth = ceilings.read_bytes_per_s(engines["float32"].threads)
    rows = []
    for name in ours:
        what, precision = name.split("/")[:2]
        ceiling = _ceiling(config, name, bandwidth) if what == "decode" else None
        rows.append(Row(f"{name}/rwkv", best[name], fastest(best, f"rwkv/{what}"), "tokens/s", ceiling))
        if name == f"decode/{precision}/batch1":
            for length in contexts:
                peer = fastest(best, f"transformer/{length}")
                rows.append(Row(f"{name}/transformer-{length}", best[name], peer, "tokens/s", ceiling))
    said = machine(threads=engines["float32"].threads, gigabytes_per_s=round(bandwidth / 1e9, 1))
    return Outcome(said, rows, {"parameters": parameter_count(config)}, _notes())


def random_weights(config: ModelConfig) -> Weights:
    """Return weights of a model that computes finite numbers; speed does not depend on what they are."""
    rng = np.random.default_rng(0)
    return {
        name: (rng.standard_normal(shape) / math.sqrt(shape[-1])).astype(np.float32)
        for name, shape in tensor_shapes(config).items()
    }


def _ceiling(config: ModelConfig, name: str, bandwidth: float) -> float:
    """Return tokens per second."""
    lanes = int(name.rsplit("batch", 1)[1])
    weight_bytes = parameter_count(config) * (1 if "int8" in name else 4)
    return lanes * bandwidth / (weight_bytes + 2 * lanes * State.empty(config).size_bytes)


def _writes(engine: CpuEngine, lanes: int) -> Slice:
    state = State.empty(engine.config, lanes)

    def run() -> float:
        began = time.perf_counter()
        for token in range(STEPS):
            engine.step(np.arange(lanes) + token, state)
        return STEPS * lanes / (time.perf_counter() - began)

    return run


def _reads(read: Callable[[NDArray[np.int64]], object], vocab_size: int) -> Slice:
    ids = np.random.default_rng(0).integers(0, vocab_size, PROMPT)

    def run() -> float:
        began = time.perf_counter()
        read(ids)
        return PROMPT / (time.perf_counter() - began)

    return run


def _peers(config: ModelConfig, weights: Weights, contexts: list[int]) -> dict[str, Slice]:
    peers: dict[str, Slice] = {}
    if find_spec("torch") is None:
        return peers
    thread_counts = sorted({1, n_cores()})
    if find_spec("rwkv"):
        package = _package(config, weights)
        for threads in thread_counts:
            peers |= _package_slices(package, config.vocab_size, threads)
    if find_spec("transformers"):
        from pianomuse.evaluate.bench.transformer import Transformer

        for length in contexts:
            writer = Transformer(config).writer(length)
            peers |= {f"transformer/{length}/{threads}": _with_threads(writer, threads) for threads in thread_counts}
    return peers


def _package(config: ModelConfig, weights: Weights) -> Any:
    """Load the weights into the package `rwkv`, which reads its switches from the environment when imported."""
    os.environ.update(RWKV_V7_ON="1", RWKV_JIT_ON="1", RWKV_CUDA_ON="0")
    import torch

    with warnings.catch_warnings(), redirect_stdout(sys.stderr), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        from rwkv.model import RWKV  # type: ignore[import-untyped]

        path = Path(folder) / "model"
        torch.save({name: torch.from_numpy(value) for name, value in weights.items()}, f"{path}.pth")
        return RWKV(model=str(path), strategy="cpu fp32")


def _package_slices(package: Any, vocab_size: int, threads: int) -> dict[str, Slice]:
    import torch

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

    return {f"rwkv/decode/{threads}": decode, f"rwkv/prefill/{threads}": _reads(read, vocab_size)}


def _with_threads(write: Callable[[int], object], threads: int) -> Slice:
    import torch

    def run() -> float:
        torch.set_num_threads(threads)
        began = time.perf_counter()
        write(STEPS)
        return STEPS / (time.perf_counter() - began)

    return run


def _notes() -> list[str]:
    wanted = {"rwkv": "rwkv", "transformers": "transformers"}
    return [
        f"{name} is not installed and was left out: pip install torch {package}"
        for name, package in wanted.items()
        if find_spec(name) is None or find_spec("torch") is None
    ]
