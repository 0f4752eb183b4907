"""A restless composer for some hundred steps; `benchmarks/soak.py` does it for thousands."""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path
from types import ModuleType

import pytest

from pianomuse.api import Muse

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def soak() -> ModuleType:
    spec = importlib.util.spec_from_file_location("soak", ROOT / "benchmarks" / "soak.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seed", [1, 2])
def test_edits_requests_cancels_and_accepts_at_random_leave_no_fault(muse: Muse, soak: ModuleType, seed: int) -> None:
    files = sorted((ROOT / "examples").glob("*.mid"))
    before = soak.live_objects()  # other tests may hold sessions
    composer = soak.Composer(muse, files, seed)
    for _ in range(120):
        composer.step()
    for deed in ("ask", "fill", "listen", "cancel", "accept", "play", "edit", "undo", "ideas finished"):
        assert composer.counts[deed] > 0, deed
    composer.session.close()
    composer.session.wait(30)
    assert threading.active_count() < 8
    composer.open()
    live = soak.live_objects()
    assert [live[name] - before[name] for name in ("StateCache", "Stream", "Ghost")] == [1, 0, 0]
    assert live["Piece"] - before["Piece"] < 8


def test_memory_does_not_grow_with_the_tokens_that_are_written(muse: Muse, soak: ModuleType) -> None:
    session = muse.session(ROOT / "examples" / "waltz-pickup.mid", budget_mb=1.0)
    session.wait(60)

    def write(n_tokens: int) -> float:
        seed = 0
        while n_tokens > 0:
            stream = session.stream(at_bar=3 + seed % 15, bars=32, candidates=8, seed=seed)
            list(stream)
            n_tokens -= sum(len(stream.tokens_of(idea)) for idea in range(1, 9))
            seed += 1
        return float(soak.resident_mib())

    first = write(4_000)
    assert write(8_000) < first + 8
