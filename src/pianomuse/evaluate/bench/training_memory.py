"""The memory of real training steps on a CPU, beside what `estimate_model_memory` says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from pianomuse.checkpoint.config import DEEP_EMBED_RANK, ModelConfig
from pianomuse.devices import choose_device
from pianomuse.evaluate.bench.memory import live_peak_bytes
from pianomuse.model.adapters import add_lora, add_time_state
from pianomuse.model.compiled import use_loops
from pianomuse.model.memory import GIGABYTE, estimate_model_memory
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.train.gradient import Batch, add_gradient
from pianomuse.train.loss import IGNORED
from pianomuse.train.optimizer import make_optimizer
from pianomuse.train.settings import TrainSettings
from pianomuse.train.training_state import optimizer_state

LORA_RANK = 16


@dataclass(frozen=True)
class Case:
    """A training step; the names are those of `estimate_model_memory`."""

    n_layer: int
    n_embd: int
    vocab_size: int
    batch_size: int
    seq_len: int
    precision: str = "float32"
    checkpoint_blocks: bool = False
    completion: int | None = None
    micro_rows: int = 0
    accumulate: int = 1
    method: str = "full"
    fuse: str = "loops"
    deep_embed: bool = False
    optimizer: str = "adamw"

    def estimated_bytes(self) -> float:
        """Return the estimate of the highest point."""
        return GIGABYTE * estimate_model_memory(**vars(self), lora_rank=LORA_RANK)["total_gb"]

    def measured_bytes(self) -> int | None:
        """Return weights, optimizer states, and the most that is alive beside them in a step (not the first).

        None where the C library does not tell.
        """
        model, optimizer, step = _prepared(self)
        step()
        states = optimizer_state(model, optimizer)
        size_bytes = sum(tensor.nbytes for tensor in (*model.parameters(), *states.values()))
        del states
        peak = live_peak_bytes(step)
        return None if peak is None else peak + size_bytes


def _prepared(case: Case) -> tuple[PianoMuseRWKV, torch.optim.Optimizer, Callable[[], None]]:
    """Return a model, its optimizer, and a function that makes a training step as `train/loop.py` does."""
    config = ModelConfig(
        case.vocab_size, case.n_layer, case.n_embd, deep_embed_rank=DEEP_EMBED_RANK if case.deep_embed else 0
    )
    settings = TrainSettings(micro_rows=case.micro_rows, precision=case.precision, optimizer=case.optimizer)
    device = choose_device("cpu", precision=case.precision)
    model = PianoMuseRWKV(config, wkv="cpu", checkpoint_blocks=case.checkpoint_blocks)
    if case.method == "lora":
        add_lora(model, LORA_RANK, 2.0 * LORA_RANK, seed=0)
    elif case.method == "state":
        add_time_state(model)
    if case.fuse == "loops":
        use_loops(model)
    optimizer = make_optimizer(model, settings, device)
    batches, note_ids = _batches(case), torch.arange(4)

    def step() -> None:
        add_gradient(model, batches, settings, device, note_ids)
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return model, optimizer, step


def _batches(case: Case) -> list[Batch]:
    rng = np.random.default_rng(0)
    made: list[Batch] = []
    for _ in range(case.accumulate):
        ids = rng.integers(1, case.vocab_size, (case.batch_size, case.seq_len + 1))
        targets = ids[:, 1:].copy()
        if case.completion is not None:
            targets[:, : case.seq_len - case.completion] = IGNORED
        made.append({"input_ids": ids[:, :-1], "target_ids": targets})
    return made
