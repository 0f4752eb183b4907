"""What each of two processes does in `test_processes.py`; started with the environment that `torchrun` makes."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import torch
from torch.distributed.tensor import DTensor

from pianomuse.cli import main
from pianomuse.train.command import Run, prepare_run
from pianomuse.train.processes import OneProcess

SETTINGS = [
    "n_steps=52",
    "pause_at=50",
    "dropout=0",
    "batch_size=3",  # two rows for one process and one for the other
    "micro_rows=1",
    "max_tokens=128",
    "validation_examples=3",
    "validate_every=25",
    "checkpoint_every=1000",
    "log_every=1",
    "warmup_steps=2",
    "lr=0.005",
    "precision=float32",
]
GO_ON = ["--set", "pause_at=0", "--device", "cpu", "--json", "--resume"]


def new_run(dataset: Path, out: Path, *changes: str) -> Run:
    """Return a run of the smallest preset."""
    return prepare_run(
        dataset, out, preset="debug", init=None, resume=False, changes=[*SETTINGS, *changes], device="cpu"
    )


def go_on(dataset: Path, out: Path, *changes: str) -> None:
    """Go on with a run through the command line."""
    words = [word for change in changes for word in ("--set", change)]
    assert main(["train", str(dataset), "--out", str(out), *GO_ON, *words]) == 0


def work(dataset: Path, out: Path) -> None:
    """Train twice for 50 steps, and go on from what was saved."""
    ddp = new_run(dataset, out / "ddp")
    ddp.start(lambda report: None)
    assert isinstance(ddp.processes.loss, torch.nn.parallel.DistributedDataParallel)

    fsdp = new_run(dataset, out / "fsdp", "shard=fsdp")
    fsdp.start(lambda report: None)
    for name, parameter in fsdp.model.named_parameters():
        assert isinstance(parameter, DTensor), name
        assert parameter.to_local().numel() <= parameter.numel() / 2, name

    copies = {"ddp-to-fsdp": "ddp", "fsdp-to-ddp": "fsdp", "fsdp-to-one": "fsdp"}
    if fsdp.is_first:
        for copy, original in copies.items():
            shutil.copytree(out / original, out / copy)
    wait(fsdp.processes)
    go_on(dataset, out / "fsdp")
    go_on(dataset, out / "ddp-to-fsdp", "shard=fsdp")
    go_on(dataset, out / "fsdp-to-ddp", "shard=ddp")
    go_on(dataset, out / "ddp", "precision=float16", "n_steps=53")  # overflow is agreed upon


def wait(processes: OneProcess) -> None:
    """Wait for the other."""
    processes.wait()


if __name__ == "__main__":
    work(Path(sys.argv[1]), Path(sys.argv[2]))
