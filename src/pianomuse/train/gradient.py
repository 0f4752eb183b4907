"""From batches to a gradient, or to a validation loss: a few rows at a time, on the device, in its precision.

Several processes share the rows of every batch. Each cuts its own into pieces; one that has fewer pieces than another
fills up with pieces without targets, whose gradient is zero, because the others wait for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pianomuse.devices import Device, sum_dtype
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.train.loss import IGNORED, LossSums
from pianomuse.train.processes import OneProcess
from pianomuse.train.settings import TrainSettings

Batch = Mapping[str, NDArray[Any]]


def add_gradient(
    model: PianoMuseRWKV,
    batches: Sequence[Batch],
    settings: TrainSettings,
    device: Device,
    note_ids: Tensor,
    *,
    processes: OneProcess | None = None,
    scaler: torch.amp.GradScaler | None = None,
) -> tuple[LossSums, int]:
    """Add the gradient of the mean loss over some batches to the parameters.

    The mean is over all targets of all batches, so it is the same however they are cut into pieces or shared.

    Args:
        model: on its device.
        batches: what makes one step.
        settings: `micro_rows` and what belongs to the loss.
        device: of the model.
        note_ids: the ids of Pitch tokens.
        processes: that share the rows; None is this one alone.
        scaler: multiplies the gradient, see `Device.loss_scaler`.

    Returns:
        The sums of the loss, and how many tokens were read, by all processes.
    """
    model.train()
    processes = processes or OneProcess(model)
    total = max(sum(_weight(batch) for batch in batches), 1e-9) / processes.count  # DDP and FSDP take the mean
    report = torch.zeros(4, dtype=sum_dtype(device.torch_device), device=device.torch_device)
    pieces = _own_pieces(batches, settings.micro_rows, processes)
    for place, arrays in enumerate(pieces, start=1):
        with processes.adding(is_last=place == len(pieces)):
            piece = _on_device(arrays, device)
            with device.autocast():
                loss, sums = processes.loss(
                    piece["input_ids"],
                    piece["target_ids"],
                    note_ids,
                    weights=piece.get("weights"),
                    label_smoothing=settings.label_smoothing,
                    l2_wrap=settings.l2_wrap,
                    logits_chunk=settings.logits_chunk,
                )
            loss = loss / total
            (loss if scaler is None else scaler.scale(loss)).backward()
        report[:3] += sums
        report[3] += piece["input_ids"].numel() if (arrays["target_ids"] != IGNORED).any() else 0
    return _sums(processes.sum(report))


@torch.no_grad()
def validate(
    model: PianoMuseRWKV,
    batches: Sequence[Batch],
    settings: TrainSettings,
    device: Device,
    note_ids: Tensor,
    *,
    processes: OneProcess | None = None,
) -> LossSums:
    """Return the loss over validation batches, without dropout, smoothing or weights."""
    model.eval()
    processes = processes or OneProcess(model)
    report = torch.zeros(4, dtype=sum_dtype(device.torch_device), device=device.torch_device)
    for arrays in _own_pieces(batches, settings.micro_rows, processes):
        piece = _on_device(arrays, device)
        with device.autocast():
            report[:3] += processes.loss(
                piece["input_ids"], piece["target_ids"], note_ids, logits_chunk=settings.logits_chunk
            )[1]
    model.train()
    return _sums(processes.sum(report))[0]


def _own_pieces(batches: Sequence[Batch], micro_rows: int, processes: OneProcess) -> list[dict[str, NDArray[Any]]]:
    """Return the pieces of this process; all processes get equally many."""
    shares = [
        [piece for batch in batches for piece in _pieces(_share(batch, rank, processes.count), micro_rows)]
        for rank in range(processes.count)
    ]
    own = shares[processes.rank]
    n_missing = max(map(len, shares)) - len(own)
    return own + [_without_targets(batches[0])] * n_missing


def _share(batch: Batch, rank: int, count: int) -> Batch:
    """Return every `count`-th row: rows are sorted by length, so that all shares are about as long."""
    return {name: batch[name][rank::count] for name in ("input_ids", "target_ids", "weights") if name in batch}


def _pieces(batch: Batch, micro_rows: int) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield a batch in pieces of `micro_rows` rows, each cut after its last target."""
    n_rows = len(batch["input_ids"])
    for first in range(0, n_rows, micro_rows or n_rows or 1):
        rows = slice(first, first + (micro_rows or n_rows))
        columns = np.flatnonzero((batch["target_ids"][rows] != IGNORED).any(axis=0))
        if len(columns) == 0:
            continue
        end = int(columns[-1]) + 1
        yield {name: array[rows, :end] for name, array in batch.items()}


def _without_targets(batch: Batch) -> dict[str, NDArray[Any]]:
    piece = {name: array[:1, :1].copy() for name, array in _share(batch, 0, 1).items()}
    piece["target_ids"][:] = IGNORED
    return piece


def _on_device(piece: Mapping[str, NDArray[Any]], device: Device) -> dict[str, Tensor]:
    return {name: torch.as_tensor(array).to(device.torch_device) for name, array in piece.items()}


def _weight(batch: Batch) -> float:
    counts = batch["target_ids"] != IGNORED
    return float(batch["weights"][counts].sum() if "weights" in batch else counts.sum())


def _sums(report: Tensor) -> tuple[LossSums, int]:
    nats, n_targets, n_notes, n_tokens = report.tolist()
    return LossSums(nats, round(n_targets), round(n_notes)), round(n_tokens)
