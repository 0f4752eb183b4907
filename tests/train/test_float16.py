"""float16: the loss is scaled, steps that overflow are skipped and counted, and a resumed run has the same scale."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.train.test_train_loop import NOTES, QUICK, VOCABULARY, batches, new_model

from pianomuse.devices import Device, choose_device
from pianomuse.errors import ConfigError
from pianomuse.train.loop import Report, train
from pianomuse.train.run_folder import Position, RunFolder
from pianomuse.train.settings import TrainSettings

HALF = choose_device("cpu", precision="float16")
SETTINGS = replace(QUICK, precision="float16")


class Overflowing(Device):
    """A device whose loss is scaled far too much at first."""

    def loss_scaler(self) -> torch.amp.GradScaler:
        return torch.amp.GradScaler("cpu", init_scale=2.0**30)


def run(
    folder: Path, settings: TrainSettings = SETTINGS, device: Device = HALF, *, resume: bool = False
) -> tuple[torch.nn.Module, Position, list[Report]]:
    model, heard = new_model(), []
    place = RunFolder(folder, VOCABULARY)
    at = train(model, batches, [], settings, place, device, note_ids=NOTES, resume=resume, listener=heard.append)
    return model, at, heard


def test_a_run_in_float16_learns_and_goes_on_exactly(tmp_path: Path) -> None:
    whole, position, heard = run(tmp_path / "whole")
    assert heard[-1].loss < 0.6 * heard[0].loss
    assert position.n_skipped < 4
    assert position.scaler["scale"] == 2.0 ** (16 - position.n_skipped)
    run(tmp_path / "broken", replace(SETTINGS, pause_at=5))
    broken, _, _ = run(tmp_path / "broken", resume=True)
    for one, other in zip(whole.parameters(), broken.parameters(), strict=True):
        torch.testing.assert_close(other, one, atol=0, rtol=0)


def test_steps_that_overflow_change_nothing_and_are_counted(tmp_path: Path) -> None:
    device = Overflowing(HALF.torch_device, HALF.autocast_dtype)
    before = {name: parameter.clone() for name, parameter in new_model().named_parameters()}
    model, position, _ = run(tmp_path, replace(SETTINGS, n_steps=2, checkpoint_every=100), device)
    assert position.n_skipped == 2
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name])
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines[-1]["skipped"] == 2

    model, position, _ = run(tmp_path, replace(SETTINGS, n_steps=40, checkpoint_every=100), device, resume=True)
    assert 2 < position.n_skipped < 30
    assert 1 < position.scaler["scale"] < 2.0**28
    assert not torch.equal(model.head.weight, before["head.weight"])


def test_an_overflow_that_no_scale_can_mend_ends_the_run(tmp_path: Path) -> None:
    model = new_model()
    with torch.no_grad():
        model.head.weight[0, 0] = float("inf")
    place = RunFolder(tmp_path, VOCABULARY)
    with pytest.raises(ConfigError, match=r"step 2\d: the gradient is not finite; .* in float32"):
        train(model, batches, [], replace(SETTINGS, n_steps=100), place, HALF, note_ids=NOTES)
