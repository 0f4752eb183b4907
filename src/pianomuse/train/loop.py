"""The training loop, on one page.

A batch is a mapping with `input_ids` and `target_ids` (int64 [B, T], targets shifted by one, -100 where nothing is to
be learnt) and perhaps `weights` (float32 [B, T]). Where batches come from is not known here: `open_batches(n)` opens
the same endless stream at its n-th batch, which is all that an exact resume needs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pianomuse.devices import Device
from pianomuse.errors import ConfigError
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.train.loss import IGNORED, LossSums, batch_loss
from pianomuse.train.optimizer import learning_rate, make_optimizer, progress, set_learning_rate
from pianomuse.train.run_folder import Position, RunFolder
from pianomuse.train.settings import TrainSettings
from pianomuse.train.signals import stop_asked

Batch = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Report:
    """What a listener hears after every step, and after a validation (`valid`)."""

    step: int
    done: float  # share of the run, 0 to 1
    minutes: float
    loss: float  # nats a token, mean since the last report
    bits_per_note: float
    lr: float
    tokens_per_s: float
    gradient_norm: float
    valid: LossSums | None = None
    saved: str | None = None


def train(
    model: PianoMuseRWKV,
    open_batches: Callable[[int], Iterator[Batch]],
    validation: Sequence[Batch],
    settings: TrainSettings,
    folder: RunFolder,
    device: Device,
    *,
    note_ids: NDArray[Any],
    resume: bool = False,
    listener: Callable[[Report], None] = lambda report: None,
) -> Position:
    """Train until the steps or the minutes are over, or somebody asks to stop; the last state is saved.

    Args:
        model: on its device.
        open_batches: see above.
        validation: batches on which the best checkpoint is chosen.
        settings: the recipe.
        folder: where metrics and checkpoints go.
        device: for autocast.
        note_ids: the ids of Pitch tokens, to count notes.
        resume: go on from the latest checkpoint of the folder.
        listener: is told of every step.

    Returns:
        The position reached.
    """
    optimizer = make_optimizer(model, settings, fused=device.has_fused_adamw)
    at = folder.resume(model, optimizer) if resume else Position()
    notes = torch.as_tensor(np.asarray(note_ids), dtype=torch.int64, device=device.torch_device)
    batches = open_batches(at.n_batches)
    since, sums, began = at, LossSums(0.0, 0, 0), time.monotonic() - at.elapsed_s

    with stop_asked() as asked:
        while (done := progress(settings, at.step, at.elapsed_s / 60)) < 1 and not asked():
            lr = learning_rate(settings, at.step, at.elapsed_s / 60)
            set_learning_rate(optimizer, lr)
            group = [next(batches) for _ in range(settings.accumulate)]
            step_sums, n_tokens = backward(model, group, settings, device, notes)
            norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip or math.inf))
            if not math.isfinite(norm):
                raise ConfigError(f"step {at.step + 1}: the gradient is not finite; resume with a lower lr or clip")
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

            at = replace(
                at,
                step=at.step + 1,
                n_batches=at.n_batches + settings.accumulate,
                n_tokens=at.n_tokens + n_tokens,
                elapsed_s=time.monotonic() - began,
            )
            sums += step_sums
            speed = (at.n_tokens - since.n_tokens) / max(at.elapsed_s - since.elapsed_s, 1e-9)
            mean = sums.nats / max(sums.n_targets, 1)
            report = Report(at.step, done, at.elapsed_s / 60, mean, sums.bits_per_note, lr, speed, norm)
            listener(report)
            if at.step % settings.log_every == 0:
                folder.write_metrics(metrics_of(report, device))
                since, sums = at, LossSums(0.0, 0, 0)
            is_last = progress(settings, at.step, at.elapsed_s / 60) >= 1
            if validation and (is_last or at.step % settings.validate_every == 0):
                at = keep_best(model, validation, settings, folder, device, notes, at, report, listener)
                since = replace(at, elapsed_s=time.monotonic() - began)
            if is_last or at.step % settings.checkpoint_every == 0:
                listener(replace(report, saved=str(folder.save(model, optimizer, at))))
        if asked() and progress(settings, at.step, at.elapsed_s / 60) < 1:
            folder.save(model, optimizer, at)
    return at


def backward(
    model: PianoMuseRWKV, batches: Sequence[Batch], settings: TrainSettings, device: Device, note_ids: Tensor
) -> tuple[LossSums, int]:
    """Add the gradient of the mean loss over some batches to the parameters.

    Returns:
        The sums of the loss, and how many tokens were read.
    """
    model.train()
    total = sum(_weight(batch) for batch in batches)
    report = torch.zeros(3, dtype=torch.float64, device=device.torch_device)
    n_tokens = 0
    for batch in batches:
        for piece in _pieces(batch, settings.micro_rows, device):
            with device.autocast():
                loss, sums = batch_loss(
                    model,
                    piece["input_ids"],
                    piece["target_ids"],
                    note_ids,
                    weights=piece.get("weights"),
                    label_smoothing=settings.label_smoothing,
                    l2_wrap=settings.l2_wrap,
                )
            (loss / max(total, 1e-9)).backward()  # type: ignore[no-untyped-call]
            report += sums
            n_tokens += piece["input_ids"].numel()
    return _sums(report), n_tokens


@torch.no_grad()
def validate(
    model: PianoMuseRWKV, batches: Sequence[Batch], settings: TrainSettings, device: Device, note_ids: Tensor
) -> LossSums:
    """Return the loss over validation batches, without dropout, smoothing or weights."""
    model.eval()
    report = torch.zeros(3, dtype=torch.float64, device=device.torch_device)
    for batch in batches:
        for piece in _pieces(batch, settings.micro_rows, device):
            with device.autocast():
                report += batch_loss(model, piece["input_ids"], piece["target_ids"], note_ids)[1]
    model.train()
    return _sums(report)


def keep_best(
    model: PianoMuseRWKV,
    validation: Sequence[Batch],
    settings: TrainSettings,
    folder: RunFolder,
    device: Device,
    note_ids: Tensor,
    at: Position,
    report: Report,
    listener: Callable[[Report], None],
) -> Position:
    """Validate, tell, and save the model as `best` when it is; return the position with the best value."""
    valid = validate(model, validation, settings, device, note_ids)
    listener(replace(report, valid=valid))
    values = {"valid_bits_per_token": valid.bits_per_token, "valid_bits_per_note": valid.bits_per_note}
    folder.write_metrics({"step": at.step, "minutes": at.elapsed_s / 60, **values})
    if at.best_bits_per_note is not None and valid.bits_per_note >= at.best_bits_per_note:
        return at
    folder.save_best(model, {"step": at.step, "n_tokens": at.n_tokens, **values})
    return replace(at, best_bits_per_note=valid.bits_per_note)


def metrics_of(report: Report, device: Device) -> dict[str, float | int | None]:
    """Return a line of `metrics.jsonl`."""
    memory_bytes = device.peak_memory_bytes()
    return {
        "step": report.step,
        "loss": report.loss,
        "bits_per_note": report.bits_per_note,
        "lr": report.lr,
        "tokens_per_s": round(report.tokens_per_s, 1),
        "gradient_norm": report.gradient_norm,
        "minutes": report.minutes,
        "memory_gb": None if memory_bytes is None else memory_bytes / 1e9,
    }


def _pieces(batch: Batch, micro_rows: int, device: Device) -> Iterator[dict[str, Tensor]]:
    """Yield a batch in pieces of `micro_rows` rows, each cut after its last target, on the device."""
    n_rows = len(batch["input_ids"])
    size = micro_rows or n_rows
    names = [name for name in ("input_ids", "target_ids", "weights") if name in batch]
    for first in range(0, n_rows, size):
        rows = slice(first, first + size)
        columns = np.flatnonzero((batch["target_ids"][rows] != IGNORED).any(axis=0))
        if len(columns) == 0:
            continue
        end = int(columns[-1]) + 1
        yield {name: torch.as_tensor(batch[name][rows, :end]).to(device.torch_device) for name in names}


def _weight(batch: Batch) -> float:
    counts = batch["target_ids"] != IGNORED
    return float(batch["weights"][counts].sum() if "weights" in batch else counts.sum())


def _sums(report: Tensor) -> LossSums:
    nats, n_targets, n_notes = report.tolist()
    return LossSums(nats, round(n_targets), round(n_notes))
