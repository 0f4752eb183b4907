"""Head and loss in chunks: equal to the plain computation, and never all logits at once."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.train.test_optimizer_and_loss import CONFIG, NOTES, batch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pianomuse.model.adapters import freeze
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.train.head_loss import LossTerms, chunk_rows, head_loss

TERMS = [LossTerms(), LossTerms(label_smoothing=0.1), LossTerms(0.2, 0.05), LossTerms(l2_wrap=0.05)]


def problem(dtype: torch.dtype, n: int = 23, vocab_size: int = 50, width: int = 12) -> tuple[Tensor, ...]:
    """Return hidden, weight, targets, weights of the rows."""
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(n, width, generator=generator, dtype=dtype).requires_grad_()
    weight = (0.3 * torch.randn(vocab_size, width, generator=generator, dtype=dtype)).requires_grad_()
    targets = torch.randint(0, vocab_size, (n,), generator=generator)
    return hidden, weight, targets, torch.rand(n, generator=generator, dtype=dtype)


def plain(hidden: Tensor, weight: Tensor, targets: Tensor, weights: Tensor | None, terms: LossTerms) -> Tensor:
    """All logits at once, by autograd; L2Wrap as a term whose gradient is the pull and whose value is zero."""
    logits = functional.linear(hidden, weight)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    loss = functional.cross_entropy(logits, targets, reduction="none", label_smoothing=terms.label_smoothing)
    largest = logits.max(dim=1).values
    pull = terms.l2_wrap * (largest.square() / 2).sum()
    return (loss if weights is None else loss * weights).sum() + pull - pull.detach()


def gradients(loss: Tensor, *tensors: Tensor, scale: float = 1.0) -> tuple[Tensor, ...]:
    return torch.autograd.grad(scale * loss, tensors)


@pytest.mark.parametrize("terms", TERMS)
@pytest.mark.parametrize("chunk", [1, 7, 23, 0])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_loss_and_gradients_are_those_of_all_logits_at_once(terms: LossTerms, chunk: int, is_weighted: bool) -> None:
    hidden, weight, targets, some = problem(torch.float64)
    weights = some if is_weighted else None
    wanted = plain(hidden, weight, targets, weights, terms)
    loss, nats = head_loss(hidden, weight, targets, weights, terms, chunk=chunk)
    torch.testing.assert_close(loss, wanted, rtol=1e-12, atol=1e-10)
    torch.testing.assert_close(
        nats, functional.cross_entropy(hidden @ weight.mT, targets, reduction="none"), rtol=1e-12, atol=1e-10
    )
    assert not nats.requires_grad
    for one, other in zip(
        gradients(loss, hidden, weight, scale=0.25), gradients(wanted, hidden, weight, scale=0.25), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_under_autocast_it_is_as_near_to_the_truth_as_the_plain_computation() -> None:
    exact = problem(torch.float64, n=200, vocab_size=300, width=64)
    truth = gradients(plain(*exact, TERMS[1]), *exact[:2])
    hidden, weight, targets, weights = (x.detach().float() if x.is_floating_point() else x for x in exact)
    errors = []
    for compute in (plain, lambda *given: head_loss(*given, chunk=37)[0]):
        given = hidden.clone().requires_grad_(), weight.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = compute(*given, targets, weights, TERMS[1])
        found = gradients(loss, *given)
        assert [gradient.dtype for gradient in found] == [torch.float32] * 2
        errors.append([float((one - other).norm() / other.norm()) for one, other in zip(found, truth, strict=True)])
    for plain_error, error in zip(*errors, strict=True):
        assert error < 1.1 * plain_error
        assert error < 0.02


def test_float32_is_exact_to_rounding_and_pieces_add_up() -> None:
    hidden, weight, targets, weights = problem(torch.float32)
    whole = gradients(head_loss(hidden, weight, targets, weights, TERMS[2])[0], weight)[0]
    for rows in (slice(0, 9), slice(9, None)):
        head_loss(hidden[rows], weight, targets[rows], weights[rows], TERMS[2], chunk=4)[0].backward()
    torch.testing.assert_close(weight.grad, whole, rtol=1e-5, atol=1e-5)
    wanted = gradients(plain(hidden, weight, targets, weights, TERMS[2]), weight)[0]
    torch.testing.assert_close(whole, wanted, rtol=1e-5, atol=1e-5)


def test_a_frozen_head_gets_no_gradient_and_the_model_below_it_does() -> None:
    ids, targets = batch()
    model = PianoMuseRWKV(CONFIG, wkv="reference")
    freeze(model, ["head.weight", "emb.weight"])
    counts = targets != -100
    with Sizes() as sizes:
        hidden = model(ids, return_hidden=True)[counts]
        head_loss(hidden, model.head.weight, targets[counts], None, LossTerms())[0].backward()
    assert model.head.weight.grad is None
    assert model.ln_out.weight.grad is not None
    assert model.ln_out.weight.grad.abs().max() > 0
    assert model.head.weight.shape not in sizes.seen


def test_without_gradients_nothing_is_kept_and_a_second_backward_is_an_error() -> None:
    hidden, weight, targets, _ = problem(torch.float32)
    with torch.no_grad(), Sizes() as sizes:
        loss, _ = head_loss(hidden, weight, targets, None, LossTerms())
    assert not loss.requires_grad
    assert weight.shape not in sizes.seen
    loss, _ = head_loss(hidden, weight, targets, None, LossTerms())
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="inplace"):
        loss.backward()


def test_no_tensor_is_as_large_as_all_logits() -> None:
    hidden, weight, targets, _ = problem(torch.float32, n=64, vocab_size=1000, width=4)
    with Sizes() as sizes:
        head_loss(hidden, weight, targets, None, TERMS[2], chunk=8)[0].backward()
    assert max(sizes.numbers) == 8 * 1000
    assert chunk_rows(65536) * 65536 * 4 == 128 * 2**20
    assert chunk_rows(65536, 100) == 100


def test_the_models_loss_is_the_same_for_every_chunk() -> None:
    from pianomuse.train.loss import batch_loss

    ids, targets = batch()
    model = PianoMuseRWKV(CONFIG, wkv="reference")
    one, report = batch_loss(model, ids, targets, NOTES, label_smoothing=0.1)
    other, other_report = batch_loss(model, ids, targets, NOTES, label_smoothing=0.1, logits_chunk=5)
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(report, other_report)


class Sizes(TorchDispatchMode):
    """Notes the shape of every tensor that an operation returns."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[torch.Size] = set()
        self.numbers: set[int] = set()

    def __torch_dispatch__(self, function: Any, kinds: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and str(function) not in ("aten.t.default", "aten.detach.default"):
                self.seen.add(tensor.shape)
                self.numbers.add(tensor.numel())
        return result
