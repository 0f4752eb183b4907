"""What each of two processes does in `test_processes.py`; started with the environment that `torchrun` makes."""

from __future__ import annotations

import copy
import os
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.distributed.tensor import DTensor

from pianomuse.cli import main
from pianomuse.train.command import Run, prepare_run
from pianomuse.train.gradient import add_gradient
from pianomuse.train.loop import Report

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
    "lr=0.002",  # higher, and what two orders of adding round differently grows beyond what is compared
    "precision=float32",
]
GO_ON = ["--device", "cpu", "--json", "--resume"]


def new_run(dataset: Path, out: Path, *changes: str) -> Run:
    """Return a run of the smallest preset."""
    return prepare_run(
        dataset, out, preset="debug", init=None, resume=False, changes=[*SETTINGS, *changes], device="cpu"
    )


def go_on(dataset: Path, out: Path, *changes: str) -> None:
    """Go on with a run through the command line."""
    words = [word for change in changes or ["pause_at=0"] for word in ("--set", change)]
    assert main(["train", str(dataset), "--out", str(out), *GO_ON, *words]) == 0


def check_gradient(dataset: Path, out: Path, shard: str) -> None:
    """Two processes have the gradient of one; here they have four pieces, two of them in one process without rows."""
    run = new_run(dataset, out / f"gradient-{shard}", f"shard={shard}")
    batches = [run.maker.batch(number) for number in range(2)]
    notes = torch.as_tensor(run.maker.store.tokenizer.vocabulary.ids_of("Pitch"))
    alone = copy.deepcopy(run.model)
    expected, n_tokens = add_gradient(alone, batches, run.settings, run.device, notes)
    run.processes.start(run.model)
    found = add_gradient(run.model, batches, run.settings, run.device, notes, processes=run.processes)
    assert found == (replace(expected, nats=pytest.approx(expected.nats, rel=1e-6)), n_tokens)
    pairs = [(whole(mine.grad), one.grad) for mine, one in zip(run.model.parameters(), alone.parameters(), strict=True)]
    apart = torch.cat([(mine - one).flatten() for mine, one in pairs]).norm()
    norm = torch.cat([one.flatten() for _, one in pairs]).norm()
    assert apart / norm < 1e-6


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """Gather a tensor that processes share."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def work(dataset: Path, out: Path) -> None:
    """Compare gradients, train twice for 50 steps, and go on from what was saved."""
    check_gradient(dataset, out, "ddp")
    check_gradient(dataset, out, "fsdp")

    ddp = new_run(dataset, out / "ddp")
    assert ddp.start(lambda report: stop_at(20, report, ddp)).step == 20
    assert isinstance(ddp.processes.loss, torch.nn.parallel.DistributedDataParallel)
    go_on(dataset, out / "ddp", "pause_at=50")

    fsdp = new_run(dataset, out / "fsdp", "shard=fsdp")
    fsdp.start(lambda report: None)
    for name, parameter in fsdp.model.named_parameters():
        assert isinstance(parameter, DTensor), name
        assert parameter.to_local().numel() <= parameter.numel() / 2, name

    copies = {"ddp-to-fsdp": "ddp", "fsdp-to-ddp": "fsdp", "fsdp-to-one": "fsdp"}
    if fsdp.is_first:
        for name, original in copies.items():
            shutil.copytree(out / original, out / name)
    fsdp.processes.wait()
    go_on(dataset, out / "fsdp")
    go_on(dataset, out / "ddp-to-fsdp", "pause_at=0", "shard=fsdp")
    go_on(dataset, out / "fsdp-to-ddp", "pause_at=0", "shard=ddp")
    go_on(dataset, out / "ddp", "pause_at=0", "precision=float16", "n_steps=53")  # overflow is agreed upon


def stop_at(step: int, report: Report, run: Run) -> None:
    """Press Ctrl-C in the second process."""
    if report.step == step and report.saved is None and not run.is_first:
        os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    work(Path(sys.argv[1]), Path(sys.argv[2]))
