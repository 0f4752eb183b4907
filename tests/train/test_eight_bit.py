"""AdamW with 8-bit states: torchao's numbers, exact resume, refusals."""

from __future__ import annotations

import importlib.util
import json
import logging
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn

from pianomuse.cli import main
from pianomuse.devices import choose_device
from pianomuse.errors import ConfigError
from pianomuse.train.eight_bit import EPSILON, check_optimizer, is_quantised, make_eight_bit_adamw
from pianomuse.train.optimizer import make_optimizer, optimizer_groups, set_learning_rate
from pianomuse.train.settings import TrainSettings
from pianomuse.train.stages import share_learning_rate

CPU = choose_device("cpu")
SETTINGS = TrainSettings(optimizer="adamw8bit", lr=1e-2)
N_STEPS = 6


class Shapes(nn.Module):
    """A matrix of more than one piece and one that is not quantised."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.large = nn.Linear(512, 300, bias=False)
        self.small = nn.Linear(50, 70, bias=False)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)

    def take_gradient(self, step: int) -> None:
        generator = torch.Generator().manual_seed(100 + step)
        self.large.weight.grad = torch.randn(300, 512, generator=generator) * 1e-3
        self.small.weight.grad = torch.randn(70, 50, generator=generator)


def stepped(model: Shapes, optimizer: torch.optim.Optimizer) -> list[Tensor]:
    for step in range(3):
        model.take_gradient(step)
        optimizer.step()
    return [parameter.detach() for parameter in model.parameters()]


def test_pieces_give_the_numbers_that_torchao_gives_for_the_whole() -> None:
    model, whole = Shapes(), Shapes()
    optimizer = make_optimizer(model, SETTINGS, CPU)
    set_learning_rate(optimizer, 3e-3)
    found = stepped(model, optimizer)
    reference = by_torchao(whole, lr=3e-3)
    assert all(torch.equal(one, other) for one, other in zip(found, whole.parameters(), strict=True))
    for parameter, moments in zip(model.parameters(), reference, strict=True):
        state = optimizer.state[parameter]
        for moment, key in zip(moments, ("exp_avg", "exp_avg_sq"), strict=True):
            assert is_quantised(state[key]) == is_quantised(moment)
            if is_quantised(moment):
                assert torch.equal(state[key].codes, moment.codes)
                assert torch.equal(state[key].scale, moment.scale)
    assert [is_quantised(moments[0]) for moments in reference] == [True, False]


@torch.no_grad()
def by_torchao(model: Shapes, lr: float) -> list[tuple[Tensor, Tensor]]:
    """Make the steps of `stepped` as torchao does it, a whole parameter at once; return its moments."""
    from torchao.optim.adam import single_param_adam
    from torchao.optim.subclass_8bit import OptimState8bit

    shape = model.large.weight.shape
    moments = [
        (OptimState8bit.zeros(shape, True), OptimState8bit.zeros(shape, False)),
        (torch.zeros(70, 50), torch.zeros(70, 50)),
    ]
    for step in range(3):
        model.take_gradient(step)
        for parameter, pair in zip(model.parameters(), moments, strict=True):
            options = (torch.tensor(lr), SETTINGS.beta1, SETTINGS.beta2, SETTINGS.weight_decay, EPSILON, True, False)
            single_param_adam(parameter, parameter.grad, torch.tensor(step + 1.0), *pair, None, *options)
    return moments


def test_where_a_gpu_has_a_compiler_the_step_is_torchaos_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a GPU it is not compiled here; its numbers are the same."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, package=None: ModuleSpec(name, None))
    model, pieces = Shapes(), Shapes()
    optimizer = make_eight_bit_adamw(optimizer_groups(model, 0.1), SETTINGS, torch.device("cuda"))
    monkeypatch.undo()
    assert type(optimizer).__module__ == "torchao.optim.adam"
    set_learning_rate(optimizer, SETTINGS.lr)
    with torch.compiler.set_stance("force_eager"):
        found = stepped(model, optimizer)
    wanted = stepped(pieces, make_optimizer(pieces, SETTINGS, CPU))
    assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))


def test_eight_bits_step_about_as_float32_does() -> None:
    start = Shapes()
    before = start.large.weight.detach().clone()
    moved = {}
    for name in ("adamw", "adamw8bit"):
        model = Shapes()
        optimizer = make_optimizer(model, TrainSettings(optimizer=name, lr=1e-2, eps=1e-8, weight_decay=0), CPU)
        stepped(model, optimizer)
        moved[name] = model.large.weight.detach() - before
    difference = (moved["adamw"] - moved["adamw8bit"]).norm() / moved["adamw"].norm()
    assert 0 < difference < 0.05


def test_the_learning_rate_is_written_into_its_tensor() -> None:
    optimizer = make_optimizer(Shapes(), TrainSettings(optimizer="adamw8bit", stages="yes"), CPU)
    rates = [group["lr"] for group in optimizer.param_groups]
    set_learning_rate(optimizer, 1e-3)
    share_learning_rate(optimizer, TrainSettings(stages="yes"), 200)
    assert all(group["lr"] is rate for group, rate in zip(optimizer.param_groups, rates, strict=True))
    assert [float(rate) for rate in rates] == [0.0]  # the body rests in the first stage


def test_only_an_epsilon_that_was_left_is_changed() -> None:
    def found(**changes: object) -> float:
        return make_optimizer(Shapes(), TrainSettings(**changes), CPU).defaults["eps"]  # type: ignore[arg-type]

    assert found() == 1e-18
    assert found(optimizer="adamw8bit") == 1e-8
    assert found(optimizer="adamw8bit", eps=1e-6) == 1e-6


def test_without_torchao_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "torchao" else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    check_optimizer(TrainSettings())
    with pytest.raises(ConfigError, match=r"pip install 'pianomuse\[eightbit\]'"):
        make_optimizer(Shapes(), SETTINGS, CPU)


def test_shares_of_states_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    check_optimizer(SETTINGS)
    with pytest.raises(ConfigError, match="shard=ddp"):
        check_optimizer(TrainSettings(optimizer="adamw8bit", shard="fsdp"))


def test_other_messages_than_the_known_ones_are_heard_while_torchao_is_imported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from pianomuse.train.eight_bit import _without_noise

    with _without_noise():
        logging.getLogger("torchao").warning("Failed to load x.so: no GPU")
        logging.getLogger("torchao").warning("something new")
    logging.getLogger("torchao").warning("Failed to load, said later")
    assert caplog.messages == ["something new", "Failed to load, said later"]


def test_a_run_that_was_resumed_ends_like_an_unbroken_one(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(out: Path, *words: str) -> None:
        assert main(["train", str(dataset), "--out", str(out), "--device", "cpu", *words]) == 0

    sets = [
        *("batch_size=2", "max_tokens=96", "validation_examples=2", "precision=float32", "warmup_steps=2"),
        *("optimizer=adamw8bit", "sample_every=0", "tensorboard=false", "checkpoint_every=2", "dropout=0.05"),
    ]
    new = ["--preset", "debug", "--steps", str(N_STEPS), *(word for change in sets for word in ("--set", change))]
    train(tmp_path / "whole", *new)
    said = capsys.readouterr().err
    assert "epsilon 1e-08 in place of 1e-18" in said
    assert "Failed to load" not in said
    train(tmp_path / "broken", *new, "--set", "pause_at=4")
    train(tmp_path / "broken", "--resume", "--set", "pause_at=0")

    last = Path("checkpoints") / f"step-{N_STEPS}"
    for name in ("model.safetensors", "train.safetensors"):
        wanted, found = (load_file(tmp_path / run / last / name) for run in ("whole", "broken"))
        assert wanted.keys() == found.keys()
        assert all(np.array_equal(value, found[key]) for key, value in wanted.items())
    assert wanted["exp_avg.codes.blocks.0.ffn.key.weight"].dtype == np.uint8
    assert wanted["exp_avg_sq.qmap.blocks.0.ffn.key.weight"].shape == (256,)
    starts = json.loads((tmp_path / "broken" / "environment.json").read_text())["starts"]
    assert [start["step"] for start in starts] == [0, 4]
    assert "torchao" in starts[0]["packages"]
