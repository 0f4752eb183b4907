"""From batches to a gradient, or to a validation loss: a few rows at a time, on the device, in its precision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pianomuse.devices import Device
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.train.loss import IGNORED, LossSums, batch_loss
from pianomuse.train.settings import TrainSettings

Batch = Mapping[str, NDArray[Any]]


def add_gradient(
    model: PianoMuseRWKV, batches: Sequence[Batch], settings: TrainSettings, device: Device, note_ids: Tensor
) -> tuple[LossSums, int]:
    """Add the gradient of the mean loss over some batches to the parameters.

    The mean is over all targets of all batches, so it is the same however they are cut into pieces.

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
                    logits_chunk=settings.logits_chunk,
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
                report += batch_loss(
                    model, piece["input_ids"], piece["target_ids"], note_ids, logits_chunk=settings.logits_chunk
                )[1]
    model.train()
    return _sums(report)


def _pieces(batch: Batch, micro_rows: int, device: Device) -> Iterator[dict[str, Tensor]]:
    """Yield a batch in pieces of `micro_rows` rows, each cut after its last target, on the device."""
    n_rows = len(batch["input_ids"])
    names = [name for name in ("input_ids", "target_ids", "weights") if name in batch]
    for first in range(0, n_rows, micro_rows or n_rows):
        rows = slice(first, first + (micro_rows or n_rows))
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
