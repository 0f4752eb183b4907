"""Head and cross entropy a few rows at a time: the logits of all rows are never in memory together.

With the text vocabulary the logits of a batch are larger than everything else (8,192 rows of 65,536 numbers are 2 GiB,
and backward holds their gradient too). All that is needed of them is the loss and the gradients of the hidden states
and of the head's weight, which are as large as their tensors; so these are computed right away, for `chunk` rows at a
time, and backward only multiplies them by the incoming gradient.

Legend: n rows, V vocabulary, C width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

CHUNK_NUMBERS = 1 << 25  # logits computed at once: 128 MiB in float32


@dataclass(frozen=True)
class LossTerms:
    """What is added to the cross entropy; see TrainSettings."""

    label_smoothing: float = 0.0
    l2_wrap: float = 0.0


def chunk_rows(vocab_size: int, wanted: int = 0) -> int:
    """Return how many rows are computed at once: as many as wanted; for 0, `CHUNK_NUMBERS` logits' worth."""
    return wanted or max(1, CHUNK_NUMBERS // vocab_size)


def head_loss(
    hidden: Tensor, weight: Tensor, targets: Tensor, weights: Tensor | None, terms: LossTerms, *, chunk: int = 0
) -> tuple[Tensor, Tensor]:
    """Return the loss summed over the rows, and every row's cross entropy in nats.

    Args:
        hidden: [n, C], in front of the head.
        weight: [V, C], the head's; where it is frozen its gradient is not computed.
        targets: int64 [n].
        weights: float [n], of each row; None is 1 everywhere.
        terms: label smoothing, and L2Wrap: it leaves the loss as it is and pulls each row's largest logit towards 0 in
            the backward pass, multiplied by the incoming gradient (else it would be wrong under accumulation).
        chunk: rows computed at once; 0 chooses.

    Returns:
        The differentiable sum; nats [n], unsmoothed, unweighted, not differentiable.
    """
    wants = (torch.is_grad_enabled() and hidden.requires_grad, torch.is_grad_enabled() and weight.requires_grad)
    result = _HeadLoss.apply(hidden, weight, targets, weights, terms, chunk, wants)  # type: ignore[no-untyped-call]
    return cast("tuple[Tensor, Tensor]", result)


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        weights: Tensor | None,
        terms: LossTerms,
        chunk: int,
        wants: tuple[bool, bool],
    ) -> tuple[Tensor, Tensor]:
        narrow = _product_dtype(hidden)
        wide = torch.promote_types(narrow, torch.float32)
        h, w = hidden.to(narrow), weight.to(narrow)
        factors = torch.ones(len(h), dtype=wide, device=h.device) if weights is None else weights.to(wide)
        loss, nats = factors.new_zeros(()), torch.empty_like(factors)
        dhidden = torch.empty_like(h) if wants[0] else None
        dweight = torch.zeros_like(w, dtype=wide) if wants[1] else None
        size = chunk_rows(len(w), chunk)
        with torch.autocast(h.device.type, enabled=False):
            for first in range(0, len(h), size):
                rows = slice(first, first + size)
                logits = functional.linear(h[rows], w)
                part, nats[rows], gradient = _cross_entropy(logits, targets[rows], factors[rows], terms, any(wants))
                loss += part
                if dhidden is not None:
                    torch.mm(gradient, w, out=dhidden[rows])
                if dweight is not None:
                    _add_product(dweight, gradient, h[rows])
                del logits, gradient  # before the next ones are made
        ctx.save_for_backward(dhidden, dweight)
        ctx.dtypes = hidden.dtype, weight.dtype
        ctx.mark_non_differentiable(nats)
        return loss, nats

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dloss: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        dhidden, dweight = ctx.saved_tensors
        # in place: the head's gradient may be the largest tensor there is; a second backward pass is an error
        gradients = [
            None if gradient is None else gradient.mul_(dloss).to(dtype)
            for gradient, dtype in zip((dhidden, dweight), ctx.dtypes, strict=True)
        ]
        return (*gradients, None, None, None, None, None)


def _cross_entropy(
    given: Tensor, targets: Tensor, factors: Tensor, terms: LossTerms, wants_gradient: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the loss, nats of every row, and the gradient of the logits, which takes the place of those given."""
    smoothing, logits = terms.label_smoothing, given.to(factors.dtype)
    picked = logits.gather(1, targets[:, None])[:, 0]
    mean = logits.mean(dim=1) if smoothing > 0 else picked
    largest, place = logits.max(dim=1, keepdim=True)
    exponentials = logits.sub_(largest).exp_()
    sums = exponentials.sum(dim=1, keepdim=True)
    log_sums = (largest + sums.log())[:, 0]
    nats = log_sums - picked
    smoothed = (1 - smoothing) * nats + smoothing * (log_sums - mean)
    loss = (smoothed * factors).sum()
    if not wants_gradient:
        return loss, nats, given
    scale = factors[:, None]
    gradient = exponentials.mul_(scale / sums)
    if smoothing > 0:
        gradient.sub_(scale * (smoothing / logits.shape[1]))
    gradient.scatter_add_(1, targets[:, None], (smoothing - 1) * scale)
    if terms.l2_wrap > 0:
        gradient.scatter_add_(1, place, terms.l2_wrap * largest)
    return loss, nats, given.copy_(gradient)


def _add_product(total: Tensor, gradient: Tensor, hidden: Tensor) -> None:
    """Add gradient^T hidden to `total`, which is at least as wide."""
    if gradient.dtype == torch.float16:  # a sum over thousands of rows may leave its range, and no scaler would help
        gradient, hidden = gradient.to(total.dtype), hidden.to(total.dtype)
    if total.dtype == gradient.dtype:
        total.addmm_(gradient.mT, hidden)
    else:
        total += gradient.mT @ hidden


def _product_dtype(hidden: Tensor) -> torch.dtype:
    kind = hidden.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
