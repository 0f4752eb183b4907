"""The recipe: parameter groups, learning rate, loss."""

from __future__ import annotations

import math

import pytest
import torch

from pianomuse.checkpoint.config import ModelConfig
from pianomuse.devices import choose_device
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.train.loss import LossSums, batch_loss
from pianomuse.train.optimizer import learning_rate, make_optimizer, optimizer_groups, set_learning_rate
from pianomuse.train.settings import TrainSettings

CPU = choose_device("cpu")
CONFIG = ModelConfig(vocab_size=30, n_layer=2, n_embd=64)
NOTES = torch.tensor([3, 4, 5])


@pytest.fixture
def model() -> PianoMuseRWKV:
    model = PianoMuseRWKV(CONFIG, wkv="reference")
    with torch.no_grad():
        model.head.weight.mul_(4)
    return model


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 30, (2, 9), generator=generator)
    targets = torch.randint(0, 30, (2, 9), generator=generator)
    targets[0, 5], targets[1, 2] = 3, 5
    targets[0, :4] = -100
    targets[1, 7:] = -100
    return ids, targets


def test_weight_decay_is_on_the_large_matrices_and_the_decay_learns_twice_as_fast(model: PianoMuseRWKV) -> None:
    groups = optimizer_groups(model, 0.1)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    plain, fast, decayed = ({names[id(p)] for p in group["params"]} for group in groups)  # type: ignore[attr-defined]
    assert fast == {"blocks.0.att.w0", "blocks.1.att.w0"}
    matrices = ["att.receptance", "att.key", "att.value", "att.output", "ffn.key", "ffn.value"]
    assert decayed == {"emb.weight", "head.weight"} | {f"blocks.{n}.{m}.weight" for n in (0, 1) for m in matrices}
    assert plain | fast | decayed == set(names.values())
    assert [(group["weight_decay"], group["lr_scale"]) for group in groups] == [(0, 1), (0, 2), (0.1, 1)]

    optimizer = make_optimizer(model, TrainSettings(), CPU)
    set_learning_rate(optimizer, 1e-3)
    assert [group["lr"] for group in optimizer.param_groups] == [1e-3, 2e-3, 1e-3]
    assert optimizer.defaults["eps"] == 1e-18
    assert optimizer.defaults["betas"] == (0.9, 0.99)


def test_learning_rate_warms_up_then_follows_a_cosine_over_steps_or_minutes() -> None:
    settings = TrainSettings(n_steps=1000, warmup_steps=10, lr=1.0, lr_final=0.1)
    assert learning_rate(settings, 0, 0) == pytest.approx(0.01)
    assert learning_rate(settings, 5, 0) == pytest.approx(0.505, abs=1e-3)
    assert learning_rate(settings, 500, 0) == pytest.approx(0.55)
    assert learning_rate(settings, 1000, 0) == pytest.approx(0.1)
    timed = TrainSettings(n_steps=10**6, warmup_steps=0, lr=1.0, lr_final=0.1, max_minutes=60)
    assert learning_rate(timed, 100, 30) == pytest.approx(0.55)
    assert learning_rate(timed, 100, 90) == pytest.approx(0.1)


def test_loss_counts_the_targets_that_are_to_be_learnt(model: PianoMuseRWKV) -> None:
    ids, targets = batch()
    total, report = batch_loss(model, ids, targets, NOTES)
    log_probs = model(ids).log_softmax(-1).detach()
    wanted = -sum(log_probs[b, t, targets[b, t]] for b in range(2) for t in range(9) if targets[b, t] != -100)
    torch.testing.assert_close(total.detach(), wanted)
    n_notes = sum(int(t) in (3, 4, 5) for t in targets.flatten())
    assert n_notes > 0
    assert report.tolist() == pytest.approx([float(wanted), 12, n_notes])
    sums = LossSums(report[0].item(), 12, n_notes)
    assert sums.bits_per_note == pytest.approx(float(wanted) / math.log(2) / n_notes)
    assert sums.bits_per_token == pytest.approx(float(wanted) / math.log(2) / 12)


def test_weights_and_label_smoothing(model: PianoMuseRWKV) -> None:
    ids, targets = batch()
    plain, _ = batch_loss(model, ids, targets, NOTES)
    doubled, _ = batch_loss(model, ids, targets, NOTES, weights=torch.full(ids.shape, 2.0))
    torch.testing.assert_close(doubled, 2 * plain)
    smoothed, report = batch_loss(model, ids, targets, NOTES, label_smoothing=0.1)
    wanted = torch.nn.functional.cross_entropy(
        model(ids).flatten(0, 1), targets.flatten(), label_smoothing=0.1, reduction="sum"
    )
    torch.testing.assert_close(smoothed, wanted)
    assert report[0].item() == pytest.approx(plain.item())  # what is reported stays comparable


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_l2_wrap_pulls_the_largest_logit_in_proportion_to_the_incoming_gradient(
    model: PianoMuseRWKV, scale: float
) -> None:
    ids, targets = batch()

    def head_gradient(l2_wrap: float) -> torch.Tensor:
        model.zero_grad()
        (scale * batch_loss(model, ids, targets, NOTES, l2_wrap=l2_wrap)[0]).backward()
        assert model.head.weight.grad is not None
        return model.head.weight.grad.clone()

    counts = targets != -100
    hidden = model(ids, return_hidden=True)[counts].detach()
    largest, place = (hidden @ model.head.weight.T).max(dim=-1)
    wanted = torch.zeros_like(model.head.weight)
    for row in range(len(hidden)):
        wanted[place[row]] += scale * 0.01 * largest[row] * hidden[row]
    torch.testing.assert_close(head_gradient(0.01) - head_gradient(0.0), wanted.detach(), atol=1e-5, rtol=1e-4)
