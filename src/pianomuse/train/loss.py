"""The loss: cross entropy on the targets that count, with L2Wrap; and what it is in bits.

Legend: n targets that count, V vocabulary, C width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from pianomuse.model.rwkv import PianoMuseRWKV

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

    Returns:
        The differentiable sum, and float64 [3]: nats (unsmoothed, unweighted), number of targets, number of notes.
    """
    counts = target_ids != IGNORED
    hidden = model(input_ids, return_hidden=True)[counts]
    targets = target_ids[counts]
    logits = model.head(hidden).float()
    nats = nn.functional.cross_entropy(logits, targets, reduction="none")
    loss = nats
    if label_smoothing > 0:
        uniform = logits.logsumexp(dim=-1) - logits.mean(dim=-1)
        loss = (1 - label_smoothing) * nats + label_smoothing * uniform
    if weights is not None:
        loss = loss * weights[counts]
    total: Tensor = loss.sum()
    if l2_wrap > 0:
        total = cast(Tensor, _L2Wrap.apply(total, logits, l2_wrap))  # type: ignore[no-untyped-call]
    with torch.no_grad():
        n_notes = torch.isin(targets, note_ids).sum()
        report = torch.stack((nats.sum(dtype=torch.float64), n_notes.new_tensor(targets.numel()), n_notes))
    return total, report


class _L2Wrap(torch.autograd.Function):
    """Leave the loss as it is; pull each row's largest logit towards 0 in the backward pass.

    The pull is multiplied by the incoming gradient: without that it would be wrong under gradient accumulation.
    """

    @staticmethod
    def forward(ctx: Any, loss: Tensor, logits: Tensor, factor: float) -> Tensor:
        largest, place = logits.max(dim=-1, keepdim=True)
        ctx.save_for_backward(largest, place)
        ctx.factor, ctx.shape = factor, logits.shape
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor, Tensor, None]:
        largest, place = ctx.saved_tensors
        pull = torch.zeros(ctx.shape, dtype=largest.dtype, device=largest.device)
        pull.scatter_(-1, place, largest * ctx.factor)
        return grad_loss, pull * grad_loss, None
