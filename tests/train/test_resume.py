"""Resuming is exact, also after kill -9 and a full disk; what a run is cannot change on the way."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from pianomuse.checkpoint.store import load_checkpoint
from pianomuse.cli import main

N_STEPS = 18
CLOCK = ("tokens_per_s", "minutes", "memory_gb", "data_share", "elapsed_s")
SETS = [
    *("batch_size=2", "max_tokens=96", "validation_examples=2", "precision=float32", "warmup_steps=2", "lr=0.004"),
    *("dropout=0.05", "log_every=5", "validate_every=6", "checkpoint_every=4", "keep_checkpoints=3"),
]


def words(dataset: Path, out: Path, *more: str, changes: tuple[str, ...] = ()) -> list[str]:
    new = [] if "--resume" in more else ["--steps", str(N_STEPS), "--seed", "3"]
    if "--resume" not in more and "--init" not in more:
        new += ["--preset", "debug"]
    sets = ([] if "--resume" in more else SETS) + list(changes)
    return [
        *("train", str(dataset), "--out", str(out), "--device", "cpu", *new, *more),
        *(word for change in sets for word in ("--set", change)),
    ]


def child(arguments: list[str], code: str = "") -> subprocess.Popen[bytes]:
    """Start the command in a process of its own, after some code."""
    program = f"import sys\nfrom pianomuse.cli import main\n{code}\nsys.exit(main(sys.argv[1:]))"
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments], env={**os.environ, **one_thread}, stderr=subprocess.DEVNULL
    )


def last_checkpoint(out: Path) -> int:
    """Return the step of the last whole checkpoint, 0 without one."""
    whole = (path.name for path in (out / "checkpoints").glob("step-*"))
    return max((int(name.removeprefix("step-")) for name in whole), default=0)


def wait_for(process: subprocess.Popen[bytes], out: Path, step: int) -> None:
    """Wait for the checkpoint of a step, or a later one: only three are kept, and this process may be kept waiting."""
    while last_checkpoint(out) < step:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.002)


def without_clock(text: str) -> dict[str, object]:
    return {key: value for key, value in json.loads(text).items() if key not in CLOCK}


def assert_same_tensors(one: Path, other: Path) -> None:
    wanted, found = load_file(one), load_file(other)
    assert wanted.keys() == found.keys()
    assert all(np.array_equal(value, found[name]) for name, value in wanted.items()), one


def assert_same_run(one: Path, other: Path) -> None:
    """Compare weights, optimizer, chance, position, metrics and best, bit for bit."""
    last = Path("checkpoints") / f"step-{N_STEPS}"
    for path in [*(one / last).glob("*.safetensors"), *(one / "best").glob("*.safetensors")]:
        assert_same_tensors(path, other / path.relative_to(one))
    positions = [without_clock((run / last / "train.json").read_text()) for run in (one, other)]
    assert positions[0] == positions[1]
    metrics = [list(map(without_clock, (run / "metrics.jsonl").read_text().splitlines())) for run in (one, other)]
    assert metrics[0] == metrics[1]
    assert [line["step"] for line in metrics[0]] == [5, 6, 10, 12, 15, 18]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Sums of several threads are in another order than those of one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def unbroken(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "unbroken"
    assert main(words(dataset, out)) == 0
    return out


def test_a_run_killed_twice_at_any_moment_ends_like_an_unbroken_one(
    unbroken: Path, dataset: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    for more, step in ((), 3), (("--resume",), 9):
        process = child(words(dataset, out, *more, changes=("checkpoint_every=1",)))
        wait_for(process, out, step)
        time.sleep(random.uniform(0, 0.1))  # anywhere in a step or in a save
        process.kill()
        process.wait()
        assert last_checkpoint(out) >= step
    assert main(words(dataset, out, "--resume")) == 0
    assert_same_run(unbroken, out)
    starts = json.loads((out / "environment.json").read_text())["starts"]
    assert [start["step"] > 0 for start in starts] == [False, True, True]


def test_a_run_killed_while_it_saves_goes_on_from_the_checkpoint_before(
    unbroken: Path, dataset: Path, tmp_path: Path
) -> None:
    """A LoRA run is killed when its second checkpoint is written and not yet in its place."""
    code = """
import os, signal
from pianomuse.checkpoint import store
in_place = store._put_in_place
def die_at_step_8(aside, folder):
    if folder.name == "step-8":
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    in_place(aside, folder)
store._put_in_place = die_at_step_8
"""
    lora = ("--init", str(unbroken / "best"))
    changes = ("lora_rank=2", "lora_alpha=4")
    assert main(words(dataset, tmp_path / "whole", *lora, changes=changes)) == 0
    out = tmp_path / "killed"
    assert child(words(dataset, out, *lora, changes=changes), code).wait() != 0
    assert sorted(path.name for path in (out / "checkpoints").iterdir()) == [".step-8.partial", "step-4"]
    load_checkpoint(out / "checkpoints" / "step-4")
    with (out / "metrics.jsonl").open("a") as file:
        file.write('{"step": 7, "lo')  # as a kill may leave it
    assert main(words(dataset, out, "--resume")) == 0
    assert_same_run(tmp_path / "whole", out)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot limit the size of files")
def test_a_full_disk_is_one_error_and_the_run_goes_on_when_there_is_room(
    unbroken: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The limit on the size of a file stands for the disk; the training state does not fit, the weights do."""
    import resource

    out = tmp_path / "run"
    assert main(words(dataset, out, changes=("pause_at=4",))) == 0
    capsys.readouterr()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        assert main(words(dataset, out, "--resume", changes=("pause_at=0",))) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    last_line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "step-8: cannot be written (File too large)" in last_line
    assert "make room" in last_line
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["step-4"]
    assert main(words(dataset, out, "--resume")) == 0
    lines = [without_clock(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [4, 5, 6, 10, 12, 15, 18]  # the pause validates
    last = Path("checkpoints") / f"step-{N_STEPS}" / "model.safetensors"
    assert_same_tensors(unbroken / last, out / last)


def test_a_run_stopped_before_its_first_checkpoint_begins_again(unbroken: Path, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(unbroken, out)
    shutil.rmtree(out / "checkpoints")
    assert main(words(dataset, out, "--resume")) == 0
    assert_same_run(unbroken, out)


def test_what_a_run_is_cannot_change(
    unbroken: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = (unbroken / "config.toml").read_bytes()
    changes = ("batch_size=4", "lr=0.001", "hand=0.5", "log_every=2")
    assert main(words(dataset, unbroken, "--resume", "--preset", "tiny", changes=changes)) == 2
    said = capsys.readouterr().err
    for refused in ("preset (is debug, asked for tiny)", "batch_size (is 2, asked for 4)", "hand (is 0.08", "--init"):
        assert refused in said
    assert "lr (" not in said
    assert "log_every (" not in said
    assert (unbroken / "config.toml").read_bytes() == kept


def test_another_dataset_is_refused_and_the_same_elsewhere_is_not(
    unbroken: Path, dataset: Path, examples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from pianomuse.data.prepare import process_midi_directory

    process_midi_directory(examples, tmp_path / "other", jobs=1)
    assert main(words(tmp_path / "other", unbroken, "--resume")) == 2
    assert "holds other music than the run" in capsys.readouterr().err
    shutil.copytree(dataset, tmp_path / "moved")
    shutil.copytree(unbroken, tmp_path / "run")
    metrics = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    assert main(words(tmp_path / "moved", tmp_path / "run", "--resume")) == 0
    said = capsys.readouterr().err
    assert "This run has made its 18 steps; for more: --resume --steps 36" in said
    assert "best " in said.splitlines()[-1]
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == metrics

    data = json.loads((tmp_path / "run" / "data.json").read_text())
    data["vocabulary_fingerprint"] = "another"
    (tmp_path / "run" / "data.json").write_text(json.dumps(data))
    assert main(words(dataset, tmp_path / "run", "--resume")) == 2
    assert "vocabulary" in capsys.readouterr().err


def test_the_page_about_resuming_names_every_setting() -> None:
    from pianomuse.train.command import SECTIONS
    from pianomuse.train.resume import table

    page = Path(__file__).parents[2] / "docs" / "howto" / "resume-and-change-settings.md"
    assert table(SECTIONS) in page.read_text(encoding="utf-8"), "run: python scripts/write_settings_table.py"


def test_the_run_folder_tells_where_it_was_made(unbroken: Path) -> None:
    (start,) = json.loads((unbroken / "environment.json").read_text())["starts"]
    assert start["packages"]["torch"] == torch.__version__
    assert start["threads"] == 1
    assert start["device"] == "cpu (float32)"
    assert {"date", "command", "python", "platform", "processor", "cores"} <= start.keys()
    line = json.loads((unbroken / "metrics.jsonl").read_text().splitlines()[0])
    assert 0.1 < line["memory_gb"] < 64
