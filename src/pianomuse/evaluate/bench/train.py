"""How many tokens a second a training step reads: forward, backward and optimizer.

Peers of the same size, with the same optimizer, batch and precision: `loop`, the same model on the reference loop
(timed on `loop_steps` tokens a row; longer graphs cost more), and, where `transformers` is installed, a Llama-style
Transformer at several lengths of row. Rows of every length hold the same number of tokens together.

Ceiling: 6 operations per weight and token at the speed of a large matrix product measured here; the share reached is
the model's FLOP utilisation (WKV's own operations, a few percent, are not counted).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from pianomuse.checkpoint.config import MAX_VOCABULARY, parameter_count
from pianomuse.devices import Device, choose_device
from pianomuse.evaluate.bench import ceilings
from pianomuse.evaluate.bench.outcome import Outcome, Row, Tell, machine
from pianomuse.evaluate.bench.transformer import Transformer
from pianomuse.evaluate.bench.turns import Clock, Slice, fastest, take_turns
from pianomuse.model.compiled import can_use_loops, use_loops
from pianomuse.model.presets import PRESETS, preset_config
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.settings import whole_numbers
from pianomuse.train.environment import n_cores


@dataclass(frozen=True)
class Settings:
    """The model's size, the batch, and how long to measure."""

    preset: str = field(default="tiny", metadata={"help": "size of the model", "choices": tuple(PRESETS)})
    vocab_size: int = field(default=761, metadata={"help": "tokens in the vocabulary", "min": 2, "max": MAX_VOCABULARY})
    tokens: int = field(default=4096, metadata={"help": "in a batch", "min": 1, "max": 16_777_216})
    lengths: str = field(default="1024,4096", metadata={"help": "tokens in a row"})
    loop_steps: int = field(
        default=128, metadata={"help": "tokens in a row for the reference loop", "min": 1, "max": 65_536}
    )
    device: str = field(default="auto", metadata={"help": "auto, cpu, cuda, npu or mps"})
    precision: str = field(default="auto", metadata={"help": "auto, bfloat16 or float32"})
    seconds: float = field(default=10.0, metadata={"help": "for each contender", "min": 0, "max": 3600})
    busy: bool = field(
        default=False,
        metadata={"help": "one thread, and its processor time in place of the clock: for a machine with other load"},
    )


def measure(settings: Settings, tell: Tell = lambda text: None) -> Outcome:
    """Compare a training step with its peers."""
    device = choose_device(settings.device, precision=settings.precision)
    config = preset_config(settings.preset, settings.vocab_size)
    lengths = whole_numbers("lengths", settings.lengths, most=settings.tokens)
    clock: Clock = time.process_time if settings.busy else time.perf_counter
    threads = 1 if settings.busy else n_cores()

    def slice_of(model: nn.Module, logits: Callable[[Tensor], Tensor], length: int, n_threads: int) -> Slice:
        rows = max(1, settings.tokens // length)
        return _training_step(model.to(device.torch_device), logits, rows, length, device, n_threads, clock)

    contenders: dict[str, Slice] = {}
    ours = PianoMuseRWKV(config)
    if can_use_loops(ours):
        use_loops(ours)
    for length in lengths:
        contenders[f"ours/{length}"] = slice_of(ours, ours, length, threads)
    loop = PianoMuseRWKV(config, wkv="reference")
    contenders["loop"] = slice_of(loop, loop, settings.loop_steps, threads)
    if find_spec("transformers"):
        peer = Transformer(config)
        for length in lengths:
            for n_threads in sorted({1, threads}):
                name = f"transformer/{length}/{n_threads}"
                contenders[name] = slice_of(peer.model.train(), peer.logits, length, n_threads)
    tell(f"timing {', '.join(contenders)}")
    best = take_turns(contenders, seconds=settings.seconds)
    dtype = device.autocast_dtype or torch.float32
    peak = threads * ceilings.product_operations_per_s(device.torch_device, dtype, clock)
    ceiling = peak / (6 * parameter_count(config))
    rows = []
    for length in lengths:
        name, speed = f"train/{settings.preset}/{length}", best[f"ours/{length}"]
        rows.append(Row(f"{name}/loop", speed, best["loop"], "tokens/s", ceiling))
        rows.append(Row(f"{name}/transformer", speed, fastest(best, f"transformer/{length}"), "tokens/s", ceiling))
    said = machine(
        device=str(device), threads=threads, clock="processor time" if settings.busy else "wall", tflops=peak / 1e12
    )
    missing = [] if find_spec("transformers") else ["transformers is not installed and was left out: pip install it"]
    return Outcome(said, rows, {"parameters": parameter_count(config)}, missing)


def _training_step(
    model: nn.Module,
    logits: Callable[[Tensor], Tensor],
    rows: int,
    length: int,
    device: Device,
    threads: int,
    clock: Clock,
) -> Slice:
    vocab_size = model.get_parameter("emb.weight" if hasattr(model, "emb") else "lm_head.weight").shape[0]
    ids = torch.randint(0, vocab_size, (rows, length + 1), generator=torch.Generator().manual_seed(0))
    ids = ids.to(device.torch_device)
    optimizer: Any = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=device.has_fused_adamw)

    def run() -> float:
        torch.set_num_threads(threads)
        device.synchronise()
        began = clock()
        with device.autocast():
            given = logits(ids[:, :-1])
        loss = nn.functional.cross_entropy(given.float().flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        device.synchronise()
        return rows * length / (clock() - began)

    return run
