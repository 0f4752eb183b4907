"""What the tests of hostile input share: a small model, and a child process with bounds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))  # corpus.py

Run = Callable[[Sequence[Sequence[object]]], list[dict[str, Any]]]


@pytest.fixture
def bounded() -> Run:
    """Run commands in one child, each at most 30 s, all in 3 GB of address space (numba and its compiler take one)."""
    pytest.importorskip("resource")  # POSIX only

    def run(commands: Sequence[Sequence[object]]) -> list[dict[str, Any]]:
        jobs = {"memory_mb": 3000, "seconds": 30, "commands": [list(map(str, words)) for words in commands]}
        child = [sys.executable, str(HERE / "child.py")]
        done = subprocess.run(child, input=json.dumps(jobs), capture_output=True, text=True, check=False)
        told = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(told) == len(commands), (commands[len(told)], done.returncode, done.stderr[-2000:])
        return told

    return run
