"""Several processes train as one does: the same losses, from rows that do not come out even; they stop and go on."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE, STDOUT

import numpy as np
import pytest
from tests.train.two_processes import go_on, new_run

from pianomuse.checkpoint.store import load_checkpoint

ROOT = Path(__file__).resolve().parents[2]


def losses(run: Path) -> list[float]:
    """Return the loss of every step."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


@pytest.fixture(scope="module")
def runs(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Let two processes work, and meanwhile one do the same; return the folder of all runs, and what was printed."""
    out = tmp_path_factory.mktemp("runs")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    environment |= {"OMP_NUM_THREADS": "1"} | ({"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {})
    command = [sys.executable, "-m", "tests.train.two_processes", str(dataset), str(out)]
    with ExitStack() as stack:
        started = []
        for rank in ("0", "1"):
            own = {**os.environ, **environment, "RANK": rank, "LOCAL_RANK": rank}
            process = subprocess.Popen(command, cwd=ROOT, env=own, stdout=PIPE, stderr=STDOUT, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            started.append(process)
        new_run(dataset, out / "one").start(lambda report: None)
        said = [process.communicate(timeout=500)[0] for process in started]
        assert [process.returncode for process in started] == [0, 0], "\n".join(said)
    go_on(dataset, out / "one")
    go_on(dataset, out / "fsdp-to-one")
    return out, said


@pytest.mark.parametrize("name", ["ddp", "fsdp"])
def test_two_processes_have_the_losses_of_one(runs: tuple[Path, list[str]], name: str) -> None:
    out, _ = runs
    assert len(losses(out / "one")) == 52
    assert losses(out / name)[:50] == pytest.approx(losses(out / "one")[:50], rel=0, abs=1e-5)
    assert losses(out / "one")[49] < losses(out / "one")[0] - 0.5


@pytest.mark.parametrize("name", ["fsdp", "ddp-to-fsdp", "fsdp-to-ddp", "fsdp-to-one"])
def test_a_checkpoint_goes_on_in_one_process_and_in_two_shared_or_not(runs: tuple[Path, list[str]], name: str) -> None:
    out, _ = runs
    assert losses(out / name)[50:] == pytest.approx(losses(out / "one")[50:], rel=0, abs=1e-5)


def test_shards_are_beside_plain_weights_and_the_best_is_plain(runs: tuple[Path, list[str]]) -> None:
    out, _ = runs
    step = out / "fsdp" / "checkpoints" / "step-50"
    assert {path.name for path in (step / "train.shards").iterdir()} == {".metadata", "__0_0.distcp", "__1_0.distcp"}
    assert not (step / "train.safetensors").exists()
    assert sorted(path.name for path in step.parent.iterdir()) == ["step-50", "step-52"]
    for folder in ("best", "checkpoints/step-52"):
        sharded, whole = load_checkpoint(out / "fsdp" / folder), load_checkpoint(out / "one" / folder)
        for name, tensor in whole.tensors.items():
            np.testing.assert_allclose(sharded.tensors[name], tensor, rtol=0, atol=2e-4, err_msg=name)
    assert sharded.card == {}


def test_only_the_first_process_speaks(runs: tuple[Path, list[str]]) -> None:
    _, (first, second) = runs
    assert second == ""
    assert "2 processes, fsdp" in first
    assert [json.loads(line)["step"] for line in first.splitlines() if line.startswith("{")] == [50, 52, 52, 52, 53]


def test_two_processes_agree_that_float16_overflowed(runs: tuple[Path, list[str]]) -> None:
    out, _ = runs
    position = json.loads((out / "ddp" / "checkpoints" / "step-53" / "train.json").read_text(encoding="utf-8"))
    assert position["scaler"]["scale"] > 0
