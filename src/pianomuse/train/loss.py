"""The loss: cross entropy on the targets that count, with L2Wrap; and what it is in bits."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pianomuse.devices import sum_dtype
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.train.head_loss import LossTerms, head_loss

IGNORED = -100


@dataclass(frozen=True)
class LossSums:
    """Sums over the targets that count; divide to compare."""

    nats: float
    n_targets: int
    n_notes: int

    def __add__(self, other: LossSums) -> LossSums:
        """Join the sums of two batches."""
        return LossSums(self.nats + other.nats, self.n_targets + other.n_targets, self.n_notes + other.n_notes)

    @property
    def bits_per_token(self) -> float:
        """Mean of -log2 p(target)."""
        return self.nats / math.log(2) / max(self.n_targets, 1)

    @property
    def bits_per_note(self) -> float:
        """Sum of -log2 p over all targets, for each Pitch token among them: independent of the vocabulary."""
        return self.nats / math.log(2) / max(self.n_notes, 1)


def batch_loss(
    model: PianoMuseRWKV,
    input_ids: Tensor,
    target_ids: Tensor,
    note_ids: Tensor,
    *,
    weights: Tensor | None = None,
    label_smoothing: float = 0.0,
    l2_wrap: float = 0.0,
    logits_chunk: int = 0,
) -> tuple[Tensor, Tensor]:
    """Return the loss summed over the targets that count, and what a report needs.

    Hidden states without a target are cut away before the head.

    Args:
        model: in training or evaluation mode, under autocast or not.
        input_ids: int64 [B, T].
        target_ids: int64 [B, T], `IGNORED` where nothing is to be learnt.
        note_ids: int64, the ids of Pitch tokens.
        weights: float [B, T], weight of each target; None is 1 everywhere.
        label_smoothing: see TrainSettings.
        l2_wrap: see TrainSettings.
        logits_chunk: rows whose logits are in memory together; 0 chooses.

    Returns:
        The differentiable sum, and float64 [3] (float32 where there is no other): nats (unsmoothed, unweighted), number
            of targets, number of notes.
    """
    counts = target_ids != IGNORED
    hidden = model(input_ids, return_hidden=True)[counts]
    targets = target_ids[counts]
    kept = None if weights is None else weights[counts]
    terms = LossTerms(label_smoothing, l2_wrap)
    total, nats = head_loss(hidden, model.head.weight, targets, kept, terms, chunk=logits_chunk)
    with torch.no_grad():
        n_notes = torch.isin(targets, note_ids).sum()
        report = torch.stack((nats.sum(dtype=sum_dtype(nats.device)), torch.full_like(n_notes, len(targets)), n_notes))
    return total, report
