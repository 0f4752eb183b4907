"""Hostile settings: of `--set`, of config.toml, of a run folder. One sentence, and nothing is written."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pianomuse.cli import main
from pianomuse.data.batches import BatchMaker, BatchSettings
from pianomuse.data.examples import ExampleMaker, ExampleMix
from pianomuse.data.store import PieceStore
from pianomuse.errors import ConfigError
from pianomuse.settings import read_toml
from pianomuse.train.command import SECTIONS, override_sections

ALL = {name: cls() for name, cls in SECTIONS.items()}
FIELDS = [(section, item) for section, cls in SECTIONS.items() for item in fields(cls)]
NUMBERS = [item for _, item in FIELDS if "int" in str(item.type) or "float" in str(item.type)]
FREE_TEXT = ("init", "freeze", "folder_weights")  # a path, patterns, a list: read where they are used
POSIX = pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")


@pytest.mark.parametrize("item", [item for _, item in FIELDS if item.name not in FREE_TEXT], ids=lambda item: item.name)
def test_what_is_no_value_of_a_setting_is_refused_in_few_words(item: Any) -> None:
    for text in ("[]", "nan", "inf", "-1e400", "\0", "🎹", "9" * 5000, "x" * 5000):
        with pytest.raises(ConfigError, match=item.name) as error:
            override_sections(ALL, [f"{item.name}={text}"])
        assert len(str(error.value)) < 400


@pytest.mark.parametrize("item", NUMBERS, ids=lambda item: item.name)
def test_every_number_has_a_range(item: Any) -> None:
    """Below nothing there is nothing; no count is above 2^53; what multiplies has a largest value."""
    beyond = ["-1", "-1e-9", str(2**53 + 1), str(10**30)]
    without_largest = ("max_minutes", "clip")  # a clock, and a limit
    for text in beyond[: 2 if item.name in without_largest else 4]:
        with pytest.raises(ConfigError, match=item.name):
            override_sections(ALL, [f"{item.name}={text}"])


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        (["lr"], "form key=value"),
        (["=1"], "no name"),
        ([""], "no name"),
        (["LR=1"], "unknown settings LR"),
        (["train.lr=1"], "unknown settings"),
        (["preset=huge"], "none of debug, tiny"),
    ],
)
def test_assignments_that_cannot_be_meant_are_refused(changes: list[str], what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        override_sections(ALL, changes)
    assert override_sections(ALL, ["lr=0.1", "lr=0.2"])["train"].lr == 0.2


@pytest.mark.parametrize("text", ["x", "a=", "a=nan", "a=inf", "a=-1", "a=0", "a=1e9", "a=2,a=3", "=", "a=1=2"])
def test_weights_of_folders_have_a_range(text: str, dataset: Path) -> None:
    with pytest.raises(ConfigError, match="folder_weights"):
        BatchMaker(PieceStore(dataset, "train"), BatchSettings(folder_weights=text))


def test_shares_that_leave_nothing_to_draw_are_refused(dataset: Path) -> None:
    store = PieceStore(dataset, "train")
    nothing = dict.fromkeys((item.name for item in fields(ExampleMix) if item.name != "drop_control"), 0.0)
    with pytest.raises(ConfigError, match="are 0"):
        ExampleMaker(store.tokenizer.vocabulary, 512, ExampleMix(**nothing))
    only_melody = ExampleMix(**{**nothing, "melody": 1.0})  # pieces without one give way to continuation
    for power in (0.0, 4.0):
        settings = BatchSettings(batch_size=4, max_tokens=512, length_power=power)
        assert BatchMaker(store, settings, only_melody).batch(0)["input_ids"].shape[0] == 4
    windows = BatchSettings(batch_size=4, max_tokens=2048, length_power=0.0, examples="windows")
    assert BatchMaker(store, windows).batch(0)["input_ids"].shape[0] == 4


@POSIX
@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe",
        b"[train",
        b"[train]\nlr = 1\nlr = 2",
        b"train = 3",
        b"lr = 1",
        b"[train]\nlr = [[1]]",
        b"[train]\nlr = nan",
        b"[train]\nlr = -inf",
        b"[train]\nlr = 1979-05-27T07:32:00Z",
        b"[train]\nn_steps = 1.0",
        b"[train]\nn_steps = true",
        b"[train]\nn_steps = " + b"9" * 4000,
        b"[train]\nevil = 1",
        b"[[train]]\nlr = 1",
        b"a = " + b"[" * 100_000,
        b"# " + b"x" * 2**20,
        None,
    ],
)
def test_a_broken_configuration_gets_one_sentence(text: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    os.mkfifo(path) if text is None else path.write_bytes(text)
    with pytest.raises(ConfigError, match=r"config\.toml") as error:
        read_toml(path, SECTIONS)
    assert len(str(error.value)) < 2000


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, dataset: Path) -> Path:
    """A run of one step."""
    out = tmp_path_factory.mktemp("run") / "run"
    few = ("max_tokens=256", "batch_size=1", "validation_examples=1", "sample_every=0", "tensorboard=no")
    words = ["train", str(dataset), "--out", str(out), "--preset", "debug", "--steps", "1", "--device", "cpu"]
    assert main([*words, *(word for change in few for word in ("--set", change))]) == 0
    return out


def position(**changed: object) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        path = folder / "checkpoints" / "step-1" / "train.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))

    return apply


def state(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        path = folder / "checkpoints" / "step-1" / "train.safetensors"
        tensors = load_file(path)
        change(tensors)
        save_file(tensors, path)

    return apply


def file(name: str, data: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(data)


MOMENT = "exp_avg.emb.weight"
BROKEN: dict[str, Callable[[Path], object]] = {
    "a step that is text": position(step="1"),
    "a step before the first": position(step=-1),
    "a step that is true": position(step=True),
    "a best that is no number": position(best_bits_per_note=float("nan")),
    "a scale of nothing": position(scaler=None),
    "a position too many": position(evil=1),
    "no position": file("checkpoints/step-1/train.json", b""),
    "a position nested without end": file("checkpoints/step-1/train.json", b"[" * 100_000),
    "no state": file("checkpoints/step-1/train.safetensors", b""),
    "moments of another shape": state(lambda tensors: tensors.update({MOMENT: torch.zeros(3)})),
    "moments that are no numbers": state(lambda tensors: tensors[MOMENT].fill_(torch.nan)),
    "chance of another size": state(lambda tensors: tensors.update({"rng.cpu": torch.zeros(3, dtype=torch.uint8)})),
    "no chance": state(lambda tensors: tensors.pop("rng.cpu")),
    "data.json a list": file("data.json", b"[]"),
    "data.json nested without end": file("data.json", b"[" * 100_000),
    "config.toml of another kind": file("config.toml", b"[train]\nlr = 5.0"),
    "weights cut off": file("checkpoints/step-1/model.safetensors", b"\x08"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_run_is_not_gone_on_with(
    name: str, run: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    shutil.copytree(run, out)
    BROKEN[name](out)
    before = {path: path.read_bytes() for path in out.rglob("*.safetensors")}
    assert main(["train", str(dataset), "--out", str(out), "--resume", "--steps", "2", "--device", "cpu"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "Traceback" not in told.err
    assert str(out) in told.err.splitlines()[-1]
    assert {path: path.read_bytes() for path in out.rglob("*.safetensors")} == before


@pytest.mark.parametrize(
    "words",
    [
        "wkv --set steps=33",
        "wkv --set steps=64000000",
        "wkv --set heads=0",
        "wkv --set seconds=inf",
        "wkv --set dtype=int8",
        "wkv --set device=toaster",
        "decode --set n_embd=65",
        "decode --set threads=0",
        "decode --set contexts=512,x",
        "decode --set contexts=-1",
        "decode --set contexts=,",
        "train --set preset=huge",
        "train --set lengths=1e3",
        "train --set lengths=99999999999999999999",
        "train --set precision=int1",
        "complete --set piece=nowhere.mid",
        "complete --set runs=0",
        "nothing",
    ],
)
def test_benchmarks_refuse_what_they_cannot_measure(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *words.split()]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert len(told.err) < 400
