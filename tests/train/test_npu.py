"""The path of an Ascend NPU, walked on a stand-in that refuses whatever an NPU refuses (see `npu_stand_in.py`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not hasattr(torch._C, "_acc"), reason="this PyTorch cannot have a device written in Python")
def test_training_runs_on_an_npu_without_a_forbidden_call(dataset: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.train.npu_work", str(dataset), str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["done"], done.stderr[-4000:]
