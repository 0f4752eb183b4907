"""What `test_npu.py` does in a process of its own: training through the whole path, on a stand-in for an Ascend NPU."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import torch
from tests.train import npu_stand_in
from tests.train.npu_stand_in import Forbidden, NpuFusedAdamW, NpuTensor, calls

from pianomuse.devices import choose_device, join_processes
from pianomuse.train.command import Run, prepare_run
from pianomuse.train.optimizer import make_optimizer
from pianomuse.train.settings import TrainSettings

SETTINGS = (
    "n_steps=6",
    "batch_size=2",
    "max_tokens=128",
    "validation_examples=2",
    "validate_every=3",
    "log_every=1",
    "warmup_steps=2",
    "lr=0.005",
)


def run(dataset: Path, out: Path, *changes: str, device: str = "npu", resume: bool = False) -> Run:
    """Train to the end."""
    run = prepare_run(
        dataset,
        out,
        preset=None if resume else "debug",
        init=None,
        resume=resume,
        changes=changes if resume else [*SETTINGS, *changes],
        device=device,
    )
    run.start(lambda report: None)
    return run


def losses(out: Path) -> list[float]:
    """Return the loss of every step."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def check_training(dataset: Path, out: Path) -> None:
    """Train as on a CPU; in bfloat16 where nothing is said; go on exactly."""
    run(dataset, out / "cpu", "precision=float32", "wkv=chunked", "fuse=no", device="cpu")
    trained = run(dataset, out / "float32", "precision=float32")
    assert all(isinstance(parameter, NpuTensor) for parameter in trained.model.parameters())
    assert losses(out / "float32") == pytest.approx(losses(out / "cpu"), abs=1e-4)
    assert (calls["NpuFusedAdamW"], calls["autocast torch.bfloat16"]) == (1, 0)

    whole = run(dataset, out / "whole")
    assert str(whole.device) == "npu (bfloat16)"
    assert calls["autocast torch.bfloat16"] >= 6
    run(dataset, out / "broken", "pause_at=3")
    broken = run(dataset, out / "broken", "pause_at=0", resume=True)
    for one, other in zip(whole.model.parameters(), broken.model.parameters(), strict=True):
        assert torch.equal(one.cpu(), other.cpu())
    assert losses(out / "broken") == losses(out / "whole")

    before = calls["NpuFusedAdamW"]
    run(dataset, out / "stages", "stages=yes", "stage1_steps=1", "n_steps=3")  # gradients come and go: plain AdamW
    assert calls["NpuFusedAdamW"] == before


def check_joining() -> None:
    """Several processes speak through HCCL, each on an NPU of its own."""
    asked = []

    def init(backend: str, **options: object) -> None:
        asked.append(backend)
        start(backend="gloo", rank=0, world_size=1, init_method="tcp://127.0.0.1:0")

    start, torch.distributed.init_process_group = torch.distributed.init_process_group, init
    os.environ |= {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    device, accelerator = join_processes(choose_device("npu"))
    assert asked == ["hccl"]
    assert accelerator.distributed_type.name == "MULTI_NPU"
    assert device.torch_device == torch.device("npu:0")
    assert device.autocast_dtype == torch.bfloat16
    assert calls["set_device"] == 1


def check_that_it_is_strict() -> None:
    """The stand-in refuses what it says it refuses."""
    device = choose_device("npu")
    with pytest.raises(Forbidden, match=r"torch\.cuda\.synchronize"):
        exec("torch.cuda.synchronize()", {"torch": torch, "__name__": "pianomuse.somewhere"})
    with pytest.raises(Forbidden, match="float64"):
        torch.zeros(3, dtype=torch.float64, device="npu")
    with pytest.raises(Forbidden, match="triangular"):
        torch.linalg.solve_triangular(torch.eye(2, device="npu"), torch.eye(2, device="npu"), upper=False)
    with pytest.raises(Forbidden, match="dtype"):
        torch.autocast("npu")
    model = torch.nn.Linear(4, 4)
    with pytest.raises(Forbidden, match="before the model was moved"):
        make_optimizer(model, TrainSettings(), device)
    model.to("npu")
    optimizer = make_optimizer(model, TrainSettings(), device)
    assert isinstance(optimizer, NpuFusedAdamW)
    with pytest.raises(Forbidden, match="set_to_none"):
        optimizer.zero_grad(set_to_none=True)
    with pytest.raises(Forbidden, match="moved after"):
        model.cpu()


if __name__ == "__main__":
    npu_stand_in.install()
    check_that_it_is_strict()
    calls.clear()
    check_training(Path(sys.argv[1]), Path(sys.argv[2]))
    check_joining()
    print("done")
