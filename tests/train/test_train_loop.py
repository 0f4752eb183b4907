"""Training learns, resumes exactly, saves when it is stopped, and does not depend on how batches are cut."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pianomuse.checkpoint.config import ModelConfig
from pianomuse.checkpoint.store import load_checkpoint
from pianomuse.devices import choose_device
from pianomuse.errors import CheckpointError, ConfigError
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.train.gradient import Batch, add_gradient
from pianomuse.train.loop import Report, train
from pianomuse.train.run_folder import Position, RunFolder
from pianomuse.train.settings import TrainSettings

CONFIG = ModelConfig(vocab_size=24, n_layer=2, n_embd=64)
CPU = choose_device("cpu", precision="float32")
NOTES = np.arange(8)
VOCABULARY = {"fingerprint": "abc"}
QUICK = TrainSettings(
    n_steps=12,
    lr=4e-3,
    warmup_steps=2,
    validate_every=6,
    checkpoint_every=5,
    log_every=2,
    dropout=0.05,
    precision="float32",
)


def batches(first: int) -> Iterator[Batch]:
    """Rows that count upwards in steps of 5, padded on the right to different lengths."""
    number = first
    while True:
        rng = np.random.default_rng([3, number])
        rows = (rng.integers(0, 24, (4, 1)) + 5 * np.arange(13)) % 24
        targets = rows[:, 1:].copy()
        for row, length in enumerate(rng.integers(6, 13, 4)):
            targets[row, length:] = -100
        yield {"input_ids": rows[:, :-1], "target_ids": targets}
        number += 1


def new_model(**options: object) -> PianoMuseRWKV:
    torch.manual_seed(0)
    return PianoMuseRWKV(CONFIG, **{"wkv": "reference", "dropout": QUICK.dropout, **options})  # type: ignore[arg-type]


def run(
    folder: Path, settings: TrainSettings = QUICK, **options: object
) -> tuple[PianoMuseRWKV, Position, list[Report]]:
    model, heard = new_model(), []
    position = train(
        model,
        batches,
        [next(batches(1000))],
        settings,
        RunFolder(folder, VOCABULARY, settings.keep_checkpoints),
        CPU,
        note_ids=NOTES,
        listener=options.pop("listener", heard.append),  # type: ignore[arg-type]
        **options,  # type: ignore[arg-type]
    )
    return model, position, heard


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PianoMuseRWKV, Position, list[Report]]:
    folder = tmp_path_factory.mktemp("run")
    return (folder, *run(folder))


def test_the_loss_falls_and_the_run_folder_tells_of_it(
    unbroken: tuple[Path, PianoMuseRWKV, Position, list[Report]],
) -> None:
    folder, _, position, heard = unbroken
    assert position.step == position.n_batches == 12
    losses = [report.loss for report in heard if report.valid is None and report.saved is None]
    assert len(losses) == 12
    assert losses[0] == pytest.approx(np.log(24), abs=0.4)
    assert losses[-1] < 0.6 * losses[0]

    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [2, 4, 6, 8, 10, 12]
    valid = [line["valid_bits_per_note"] for line in lines if "valid_bits_per_note" in line]
    assert len(valid) == 2
    assert position.best_bits_per_note == min(valid) < valid[0] + 1e-9
    assert all(line["tokens_per_s"] > 0 for line in lines if "loss" in line)
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == ["step-10", "step-12"]
    assert load_checkpoint(folder / "best").card["valid_bits_per_note"] == min(valid)


def test_a_resumed_run_ends_with_the_weights_of_an_unbroken_one(
    unbroken: tuple[Path, PianoMuseRWKV, Position, list[Report]], tmp_path: Path
) -> None:
    def interrupt(report: Report) -> None:
        if report.step == 7 and report.saved is None:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    _, stopped, _ = run(tmp_path, listener=interrupt)
    assert stopped.step == 7
    assert signal.getsignal(signal.SIGINT) is before
    assert (tmp_path / "checkpoints" / "step-7" / "train.safetensors").exists()
    torch.manual_seed(99)
    resumed, position, _ = run(tmp_path, resume=True)
    folder, whole, _, _ = unbroken
    assert position.step == 12
    for (name, one), other in zip(whole.named_parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(other, one, atol=0, rtol=0, msg=name)

    def steps_of(path: Path) -> list[int]:
        return [json.loads(line)["step"] for line in (path / "metrics.jsonl").read_text().splitlines()]

    assert steps_of(tmp_path) == steps_of(folder)


def test_a_paused_run_validates_saves_and_goes_on_at_the_rate_of_the_whole_run(
    unbroken: tuple[Path, PianoMuseRWKV, Position, list[Report]], tmp_path: Path
) -> None:
    _, paused, heard = run(tmp_path, replace(QUICK, pause_at=4))
    assert paused.step == 4
    assert any(report.valid is not None for report in heard)
    model, position, _ = run(tmp_path, resume=True)
    assert position.step == 12
    for one, other in zip(unbroken[1].parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(other, one, atol=0, rtol=0)


def test_resuming_without_or_from_another_checkpoint_is_refused(
    unbroken: tuple[Path, PianoMuseRWKV, Position, list[Report]], tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="without --resume"):
        run(tmp_path, resume=True)
    other = RunFolder(unbroken[0], {"fingerprint": "another"})
    optimizer = torch.optim.AdamW(new_model().parameters())
    with pytest.raises(CheckpointError, match="vocabulary"):
        other.resume(new_model(), optimizer)
    deeper = PianoMuseRWKV(ModelConfig(24, 3, 64))
    with pytest.raises(CheckpointError, match="another model size"):
        RunFolder(unbroken[0], VOCABULARY).resume(deeper, optimizer)


@pytest.mark.parametrize("micro_rows", [1, 3])
def test_the_gradient_does_not_depend_on_how_batches_are_cut_or_accumulated(micro_rows: int) -> None:
    settings = TrainSettings(l2_wrap=1e-2, label_smoothing=0.1)
    group = [next(batches(1)), next(batches(2))]
    notes = torch.as_tensor(NOTES)
    whole, cut = new_model(dropout=0.0), new_model(dropout=0.0)
    sums, n_tokens = add_gradient(whole, group, settings, CPU, notes)
    cut_settings = TrainSettings(l2_wrap=1e-2, label_smoothing=0.1, micro_rows=micro_rows)
    cut_sums, cut_tokens = add_gradient(cut, group, cut_settings, CPU, notes)
    assert cut_sums.n_targets == sums.n_targets == sum(int((b["target_ids"] != -100).sum()) for b in group)
    assert cut_sums.nats == pytest.approx(sums.nats, rel=1e-5)
    assert cut_tokens < n_tokens  # pieces end after their own last target
    for (name, one), other in zip(whole.named_parameters(), cut.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, atol=1e-6, rtol=1e-3, msg=name)


def gradient_of(model: PianoMuseRWKV, group: list[Batch], micro_rows: int = 0) -> dict[str, torch.Tensor]:
    settings = TrainSettings(l2_wrap=1e-2, label_smoothing=0.1, micro_rows=micro_rows)
    add_gradient(model, group, settings, CPU, torch.as_tensor(NOTES))
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


@pytest.mark.parametrize(
    ("dtype", "largest"), [(torch.float32, 1e-6), (torch.float64, 1e-12)], ids=["float32", "float64"]
)
def test_accumulated_gradients_are_those_of_the_large_batch(dtype: torch.dtype, largest: float) -> None:
    halves = [next(batches(1)), next(batches(2))]
    whole = {name: np.concatenate([half[name] for half in halves]) for name in halves[0]}
    assert len(whole["input_ids"]) == 8
    expected = gradient_of(new_model(dropout=0.0).to(dtype), [whole])
    norm = torch.cat([gradient.flatten() for gradient in expected.values()]).norm()
    for found in (
        gradient_of(new_model(dropout=0.0).to(dtype), halves),
        gradient_of(new_model(dropout=0.0).to(dtype), [whole], micro_rows=2),
    ):
        assert found.keys() == expected.keys()
        apart = torch.cat([(found[name] - expected[name]).flatten() for name in expected]).norm()
        assert apart / norm < largest


def test_recomputed_blocks_have_the_same_gradient() -> None:
    group = [next(batches(1))]
    expected = gradient_of(new_model(dropout=0.0), group)
    found = gradient_of(new_model(dropout=0.0, checkpoint_blocks=True), group)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=0, rtol=0, msg=name)


def test_the_clock_ends_a_run_and_its_last_state_is_kept(tmp_path: Path) -> None:
    settings = TrainSettings(n_steps=10**6, max_minutes=2e-3, checkpoint_every=1000, validate_every=1000)
    _, position, heard = run(tmp_path, settings)
    assert 1 <= position.step < 1000
    assert (tmp_path / "checkpoints" / f"step-{position.step}").is_dir()
    assert (tmp_path / "best").is_dir()
    assert heard[-1].done == 1


def test_a_gradient_that_is_not_finite_stops_the_run_with_advice(tmp_path: Path) -> None:
    model = new_model()
    with torch.no_grad():
        model.head.weight[0, 0] = float("nan")
    with pytest.raises(ConfigError, match="step 1: the gradient is not finite; resume with a lower lr"):
        train(model, batches, [], QUICK, RunFolder(tmp_path, VOCABULARY), CPU, note_ids=NOTES)
