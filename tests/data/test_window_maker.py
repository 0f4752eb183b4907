"""Windows to train on are the ones `create_context_completion_pairs` cuts, and the head sees the completion alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pianomuse.cli import main
from pianomuse.data.batches import BatchMaker, BatchSettings, validation_batches
from pianomuse.data.prepare import process_midi_directory
from pianomuse.data.store import PieceStore
from pianomuse.data.window_maker import WindowMaker
from pianomuse.data.windows import create_context_completion_pairs
from pianomuse.devices import choose_device
from pianomuse.errors import DatasetError
from pianomuse.model.presets import preset_config
from pianomuse.model.rwkv import PianoMuseRWKV
from pianomuse.train import loss
from pianomuse.train.gradient import add_gradient
from pianomuse.train.settings import TrainSettings

WINDOWS = BatchSettings(batch_size=2, max_tokens=512, examples="windows", augment=False)


@pytest.fixture(scope="module")
def store(dataset: Path) -> PieceStore:
    return PieceStore(dataset, "train")


@pytest.mark.parametrize(("context", "completion", "step"), [(4, 2, 1), (3, 4, 3)])
def test_windows_are_those_of_the_pairs_laid_out_as_a_request(
    store: PieceStore, context: int, completion: int, step: int
) -> None:
    header = replace(store.header, context_bars=context, completion_bars=completion, step=step)
    maker = WindowMaker(store.tokenizer.vocabulary, 4096, header)
    for piece in (store[int(index)] for index in np.argsort(store.n_bars())[-2:]):
        ids = piece.views["full"].ids
        pairs = create_context_completion_pairs(ids, store.tokenizer, context, completion, step)
        windows = maker.windows(piece.n_bars)
        assert len(windows) == len(pairs) > 1
        for window, pair in zip(windows, pairs, strict=True):
            example = maker._example(piece, *window)
            assert example is not None
            names = store.tokenizer.names(example.ids)
            assert names[0] == "BOS_None"
            assert names[example.ctx_len - 2 : example.ctx_len] == [
                "Task_Continue",
                f"Bars_{sum(name == 'Bar_None' for name in store.tokenizer.names(pair.completion))}",
            ]
            np.testing.assert_array_equal(example.ids[1 : example.ctx_len - 2], pair.context)
            np.testing.assert_array_equal(example.ids[example.ctx_len : -1], pair.completion)
            assert names[-1] == "EOS_None"
    assert maker.sizes(store)[0] == len(maker.windows(store[0].n_bars))


def test_a_window_that_is_too_long_loses_whole_bars_of_context(store: PieceStore) -> None:
    piece = store[0]
    full = WindowMaker(store.tokenizer.vocabulary, 4096, store.header)
    whole = full._example(piece, 0, 4, 6)
    assert whole is not None
    short = WindowMaker(store.tokenizer.vocabulary, len(whole.ids) - 1, store.header)._example(piece, 0, 4, 6)
    assert short is not None
    view = piece.views["full"]
    assert short.ids[3] == store.tokenizer.vocabulary.id("Bar_None")
    assert len(whole.ids) - len(short.ids) == view.length(0, 1)
    with pytest.raises(DatasetError, match="raise max_tokens"):
        WindowMaker(store.tokenizer.vocabulary, 12, store.header).draw(piece, np.random.default_rng(0))


def test_the_head_sees_the_completion_alone(store: PieceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = BatchMaker(store, WINDOWS).batch(0)
    n_targets = int((batch["target_ids"] != -100).sum())
    for row, ctx_len in enumerate(batch["ctx_lengths"]):
        assert (batch["target_ids"][row, : ctx_len - 1] == -100).all()
        assert batch["target_ids"][row, ctx_len - 1] == store.tokenizer.vocabulary.id("Bar_None")
    model = PianoMuseRWKV(preset_config("debug", 761), wkv="reference")
    rows: list[int] = []

    def head_loss(hidden: torch.Tensor, *arguments: Any, **options: Any) -> tuple[torch.Tensor, torch.Tensor]:
        rows.append(len(hidden))
        return original(hidden, *arguments, **options)

    original = loss.head_loss
    monkeypatch.setattr(loss, "head_loss", head_loss)
    cpu = choose_device("cpu", precision="float32")
    sums, n_tokens = add_gradient(model, [batch], TrainSettings(), cpu, torch.arange(8))
    assert sum(rows) == sums.n_targets == n_targets < n_tokens


def test_train_on_windows_and_complete(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", str(dataset), "--out", str(tmp_path / "run"), "--preset", "debug", "--device", "cpu"]
    sets = ["examples=windows", "batch_size=2", "validation_examples=2", "log_every=1", "sample_every=0"]
    assert main([*words, "--steps", "2", *(word for change in sets for word in ("--set", change))]) == 0
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert all(np.isfinite(line["loss"]) for line in lines if "loss" in line)
    batches = validation_batches(PieceStore(dataset, "valid"), n_examples=2, max_tokens=512, examples="windows")
    assert all((batch["target_ids"][:, 0] == -100).all() for batch in batches)


def test_pieces_shorter_than_a_window_are_named(examples: Path, tmp_path: Path) -> None:
    process_midi_directory(examples, tmp_path / "short", context_bars=200, jobs=1)
    with pytest.raises(DatasetError, match=r"no piece has the 200 \+ 2 bars"):
        BatchMaker(PieceStore(tmp_path / "short", "train"), WINDOWS)
