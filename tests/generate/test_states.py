"""The cache of states: what it finds again, and what it forgets first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pianomuse.generate.states import StateCache


@dataclass
class Sum:
    """A state that is the tokens read so far."""

    seen: tuple[int, ...]
    size_bytes: int = 2**20


class Remembering:
    """Its state is everything it read; counts what it reads."""

    vocab_size = 4

    def __init__(self) -> None:
        self.n_read = 0

    def prefill(self, ids: Any, state: Any = None) -> Any:
        self.n_read += len(ids)
        seen = (*(state.seen if state else ()), *np.asarray(ids).tolist())
        return np.zeros(4, np.float32), Sum(seen)


def text(*bars: int, length: int = 10) -> tuple[np.ndarray, list[int]]:
    """Bars of equal tokens behind a head, and where they end."""
    ids = np.array([1, *(bar for bar in bars for _ in range(length))], dtype=np.int32)
    return ids, list(range(1, len(ids), length))


def read(cache: StateCache[Any], ids: np.ndarray, lines: list[int], block: tuple[int, ...] = (9,)) -> int:
    """Read a request; return how many tokens that took."""
    before = cache.engine.n_read
    whole = np.concatenate([ids, np.array(block, dtype=np.int32)])
    _, _, state = list(cache.reading(whole, lines))[-1]
    assert state.seen == tuple(whole.tolist())
    return cache.engine.n_read - before


def test_only_what_changed_is_read_again() -> None:
    cache: StateCache[Any] = StateCache(Remembering(), budget_mb=1000)
    ids, lines = text(*range(10, 50))
    lines.append(len(ids))
    assert read(cache, ids, lines) == len(ids) + 1
    assert read(cache, ids, lines) == 1
    assert read(cache, ids[:101], lines[:11]) == 1
    edited = ids.copy()
    edited[305] = 99
    assert cache.n_known(edited, lines) == 301
    assert read(cache, edited, lines) == len(ids) - 301 + 1
    assert read(cache, ids, lines) == 1
    assert read(cache, edited, lines, (7, 8)) == 2


def test_the_budget_is_kept_by_forgetting_evenly() -> None:
    cache: StateCache[Any] = StateCache(Remembering(), budget_mb=10)
    ids, lines = text(*range(200))
    read(cache, ids, lines)
    assert cache.n_states == 10
    known = sorted({cache.n_known(ids[:line], [at for at in lines if at <= line]) for line in lines})
    gaps = np.diff(known)
    assert gaps.max() <= 3 * np.median(gaps)
    assert all(read(cache, ids[:line], [at for at in lines if at <= line]) < 600 for line in lines[::17])


def test_what_no_reading_passes_any_more_is_forgotten_first() -> None:
    cache: StateCache[Any] = StateCache(Remembering(), budget_mb=60)
    ids, lines = text(*range(40))
    read(cache, ids, lines)
    for version in range(20):
        edited = ids.copy()
        edited[-5:] = 1000 + version
        edited[350] = 1000 + version
        read(cache, edited, lines)
    assert cache.size_bytes <= 60 * 2**20
    assert read(cache, edited, lines) < 60
    assert cache.n_known(ids[:340], lines[:34]) >= 280


def test_a_budget_of_nothing_reads_in_one_piece() -> None:
    engine = Remembering()
    pieces = []
    engine.prefill, prefill = lambda ids, state=None: pieces.append(len(ids)) or prefill(ids, state), engine.prefill  # type: ignore[method-assign]
    cache: StateCache[Any] = StateCache(engine, budget_mb=0)
    ids, lines = text(*range(30))
    read(cache, ids, lines)
    assert pieces == [len(ids) + 1]
    assert cache.n_states == 0


def test_states_of_unknown_size_are_not_kept() -> None:
    class Plain(Remembering):
        def prefill(self, ids: Any, state: Any = None) -> Any:
            logits, state = super().prefill(ids, state)
            state.size_bytes = 0
            return logits, state

    cache: StateCache[Any] = StateCache(Plain(), budget_mb=10)
    ids, lines = text(*range(30))
    read(cache, ids, lines)
    assert cache.n_states == 0


@pytest.mark.parametrize("n_bars", [1, 2])
def test_short_texts_are_kept_too(n_bars: int) -> None:
    cache: StateCache[Any] = StateCache(Remembering(), budget_mb=10)
    ids, lines = text(*range(n_bars))
    lines.append(len(ids))
    read(cache, ids, lines)
    assert read(cache, ids, lines) == 1
