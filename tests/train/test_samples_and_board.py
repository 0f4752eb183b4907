"""A run lets itself be heard on the way without changing, and tells TensorBoard what metrics.jsonl says."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pianomuse.cli import main
from pianomuse.data.store import PieceStore
from pianomuse.midi.read import read_midi
from pianomuse.model.presets import preset_config
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.train.metrics import Metrics
from pianomuse.train.samples import BARS, Sampler, sample_pieces

SETS = ["batch_size=2", "max_tokens=96", "validation_examples=2", "precision=float32", "dropout=0.05", "log_every=1"]


def train(dataset: Path, out: Path, *more: str) -> None:
    sets = [word for change in (*SETS, *more) for word in ("--set", change)]
    words = ["train", str(dataset), "--out", str(out), "--preset", "debug", "--device", "cpu", "--steps", "4", *sets]
    assert main(words) == 0


@pytest.fixture(scope="module")
def run(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "heard"
    train(dataset, out, "sample_every=2")
    return out


def test_samples_are_pieces_that_go_on_and_a_picture(run: Path, dataset: Path) -> None:
    assert sorted(path.name for path in (run / "samples").iterdir()) == ["step-2", "step-4"]
    store = PieceStore(dataset, "valid")
    sampler = Sampler([store[index] for index in sample_pieces(len(store))], store.tokenizer)
    folder = run / "samples" / "step-4"
    assert len(sampler.beginnings) == len(list(folder.glob("*.mid"))) >= 2
    for beginning in sampler.beginnings:
        whole, given = read_midi(folder / f"{beginning.name}.mid"), read_midi(beginning.midi)
        end = given.grid.start_of(beginning.n_bars)
        before = [(n.time, n.pitch) for n in whole.score.tracks[0].notes if n.time < end]
        assert before == [(n.time, n.pitch) for n in given.score.tracks[0].notes]
        assert whole.grid.n_bars <= beginning.n_bars + BARS
    with Image.open(folder / "samples.png") as image:
        assert image.width >= 1600


def test_training_does_not_notice_that_it_is_sampled(run: Path, dataset: Path, tmp_path: Path) -> None:
    train(dataset, tmp_path / "unheard", "sample_every=0", "tensorboard=false")
    assert not (tmp_path / "unheard" / "samples").exists()
    assert not (tmp_path / "unheard" / "tensorboard").exists()
    losses = [
        [json.loads(line).get("loss") for line in (path / "metrics.jsonl").read_text().splitlines()]
        for path in (run, tmp_path / "unheard")
    ]
    assert losses[0] == losses[1]


def test_sampling_takes_no_chance_from_torch_and_always_writes_the_same(dataset: Path, tmp_path: Path) -> None:
    store = PieceStore(dataset, "valid")
    model = PianoMuseRWKV(preset_config("debug", len(store.tokenizer.vocabulary)), wkv="reference", seed=1)
    before = torch.get_rng_state()
    sampler = Sampler([store[0]], store.tokenizer)
    for name in ("a", "b"):
        sampler.write(model, tmp_path / name)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training
    (one,), (other,) = (list((tmp_path / name).glob("*.mid")) for name in ("a", "b"))
    assert one.read_bytes() == other.read_bytes()


def test_which_pieces_are_sampled() -> None:
    assert sample_pieces(148) == [0, 74, 147]
    assert sample_pieces(2) == [0, 1]
    assert sample_pieces(1) == [0]


def test_tensorboard_is_told_the_same_numbers_and_forgets_like_the_file(run: Path, tmp_path: Path) -> None:
    board = EventAccumulator(str(run / "tensorboard")).Reload()
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    losses = {line["step"]: line["loss"] for line in lines if "loss" in line}
    assert {event.step: event.value for event in board.Scalars("loss")} == pytest.approx(losses)
    assert "valid_bits_per_note" in board.Tags()["scalars"]

    for step, value in ((1, 5.0), (3, 4.0)):
        time.sleep(1.1)  # TensorBoard's files are in the order of the second they were begun in
        metrics = Metrics(tmp_path)
        assert metrics.open_board(step - 1)
        for later in range(step, 5):
            metrics.write({"step": later, "loss": value})
        metrics.forget_after(2)
    again = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in again.Scalars("loss")] == [(1, 5.0), (2, 5.0), (3, 4.0), (4, 4.0)]
