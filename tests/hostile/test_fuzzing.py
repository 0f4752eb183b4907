"""Every door takes what a search begins with, and a short search that is guided by coverage finds nothing.

fuzz.py searches longer; what it found is in test_found.py.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="one of the doors is the server: it needs the extra `studio`")

import targets

HERE = Path(__file__).resolve().parent
N_INPUTS = 300


@pytest.mark.parametrize("name", list(targets.TARGETS))
def test_a_door_gives_a_result_or_a_sentence(name: str) -> None:
    for data in targets.seeds(name):
        targets.take(name, data)


def test_what_is_neither_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(data: bytes) -> None:
        raise ValueError(data)

    monkeypatch.setitem(targets.TARGETS, "midi", fails)
    with pytest.raises(ValueError, match="b''"):
        targets.take("midi", b"")
    monkeypatch.setattr(targets, "MOST_SECONDS", 0.0)
    with pytest.raises(AssertionError, match="0 s"):
        targets.take("prompt", targets.seeds("prompt")[0])


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this system")
def test_a_search_guided_by_coverage_finds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, str(HERE / "fuzz.py"), "all", f"-runs={N_INPUTS}", "-seed=1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"Done {N_INPUTS} runs" in done.stderr
    assert not list(tmp_path.glob("crash-*"))
