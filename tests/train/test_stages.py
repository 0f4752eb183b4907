"""Two stages: first the new rows and the norms learn, then all; a resumed run goes on exactly across the change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.train.test_train_loop import CONFIG, CPU, QUICK, new_model, run

from pianomuse.errors import ConfigError
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.train.optimizer import make_optimizer, set_learning_rate
from pianomuse.train.settings import TrainSettings
from pianomuse.train.stages import check_stages, forget_idle_gradients, lr_share, part_of, share_learning_rate

STAGED = replace(QUICK, n_steps=8, stages="yes", stage1_steps=4, validate_every=100, checkpoint_every=100)


def changed(before: dict[str, torch.Tensor], model: PianoMuseRWKV) -> set[str]:
    return {name for name, tensor in model.named_parameters() if not torch.equal(tensor, before[name])}


def test_the_body_stands_still_until_the_second_stage(tmp_path: Path) -> None:
    before = {name: tensor.detach().clone() for name, tensor in new_model().named_parameters()}
    model, _, _ = run(tmp_path, replace(STAGED, pause_at=4))
    early = changed(before, model)
    # ln1 and ln2 get no gradient here: the projections behind them begin at zero and stand still
    assert early == {f"{name}.{kind}" for name in ("blocks.0.ln0", "ln_out") for kind in ("weight", "bias")} | {
        "emb.weight",
        "head.weight",
    }
    model, _, _ = run(tmp_path, STAGED, resume=True)
    assert changed(before, model) == set(before)


def test_what_does_not_learn_has_no_gradient_that_could_clip_the_rest() -> None:
    model = new_model()
    for step, idle in ((3, "body"), (4, "nothing")):
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        forget_idle_gradients(model, STAGED, step)
        kept = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
        assert kept == {name for name, _ in model.named_parameters() if part_of(name) != idle}
    assert part_of("blocks.1.ln2.bias") == "norms"
    assert part_of("blocks.0.att.ln_x.weight") == "body"
    assert part_of("blocks.0.ffn.s_emb.weight") == "rows"


@pytest.mark.parametrize("pause", [2, 4, 6])
def test_a_run_resumed_in_either_stage_ends_with_the_weights_of_an_unbroken_one(tmp_path: Path, pause: int) -> None:
    whole, _, _ = run(tmp_path / "whole", STAGED)
    run(tmp_path / "broken", replace(STAGED, pause_at=pause))
    resumed, position, _ = run(tmp_path / "broken", STAGED, resume=True)
    assert position.step == 8
    for (name, one), other in zip(whole.named_parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(other, one, atol=0, rtol=0, msg=name)


def test_every_part_has_its_learning_rate() -> None:
    settings = TrainSettings(stages="yes", stage1_steps=100, warmup_steps=10)
    assert [lr_share(settings, part, 99) for part in ("rows", "norms", "body")] == [1, 1, 0]
    assert [lr_share(settings, part, 110) for part in ("rows", "norms", "body")] == pytest.approx([0.4, 0.1, 0.1])
    assert lr_share(settings, "body", 100) == pytest.approx(0.001)  # it warms up again
    model = PianoMuseRWKV(CONFIG)
    optimizer = make_optimizer(model, settings, CPU)
    set_learning_rate(optimizer, 1e-3)
    share_learning_rate(optimizer, settings, 200)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    found = {name: (rates[id(p)], decays[id(p)]) for name, p in model.named_parameters()}
    assert found["emb.weight"] == pytest.approx((4e-4, 0.1))
    assert found["blocks.1.att.key.weight"] == pytest.approx((1e-4, 0.1))
    assert found["blocks.1.att.w0"] == pytest.approx((2e-4, 0))
    assert found["blocks.1.ln1.weight"] == pytest.approx((1e-4, 0))


def test_without_stages_nothing_is_changed_and_a_first_stage_without_a_second_is_refused() -> None:
    for stages in ("auto", "no"):
        settings = TrainSettings(stages=stages)
        assert lr_share(settings, "body", 0) == 1
        assert len(make_optimizer(PianoMuseRWKV(CONFIG), settings, CPU).param_groups) == 3
        check_stages(replace(settings, n_steps=10))
    with pytest.raises(ConfigError, match="stage1_steps=N"):
        check_stages(replace(STAGED, stage1_steps=8))
