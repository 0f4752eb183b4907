"""What the tests of hostile input share: a small model, and a child process with bounds."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pianomuse.api import Muse, load

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))  # corpus.py

Run = Callable[[Sequence[Sequence[object]]], list[dict[str, Any]]]


def _api_conftest() -> Any:
    spec = importlib.util.spec_from_file_location("api_conftest_of_hostile", ROOT / "tests" / "api" / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = _api_conftest().random_checkpoint(tmp_path_factory.mktemp("model") / "random")
    return folder


@pytest.fixture(scope="session")
def muse(model_folder: Path) -> Muse:
    return load(model_folder, threads=1)


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
