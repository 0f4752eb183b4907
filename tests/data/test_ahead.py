"""Batches drawn ahead are the same, and the thread that draws them ends and fails where it should."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pianomuse.data.ahead import draw_ahead
from pianomuse.data.batches import BatchMaker, BatchSettings
from pianomuse.data.store import PieceStore


def test_batches_drawn_ahead_are_the_same_from_any_place(dataset: Path) -> None:
    settings = BatchSettings(batch_size=2, max_tokens=96)
    plain = BatchMaker(PieceStore(dataset, "train"), settings).batches
    ahead = draw_ahead(BatchMaker(PieceStore(dataset, "train"), settings).batches, 3)
    for first in (0, 5):
        for wanted, found in itertools.islice(zip(plain(first), ahead(first), strict=True), 10):
            assert all(np.array_equal(value, found[name]) for name, value in wanted.items())


def test_it_draws_while_nobody_asks_and_ends_when_nobody_listens() -> None:
    drawn: list[int] = []

    def numbers(first: int) -> Iterator[int]:
        for number in itertools.count(first):
            drawn.append(number)
            yield number

    before = threading.active_count()
    items = draw_ahead(numbers, 4)(7)
    assert next(items) == 7
    deadline = time.monotonic() + 5
    while len(drawn) < 5 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert drawn[:5] == [7, 8, 9, 10, 11]
    items.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
    assert len(drawn) <= 6  # four wait, one is in the thread's hand, one was taken


def test_what_goes_wrong_in_the_thread_is_raised_where_the_item_is_asked_for() -> None:
    def broken(first: int) -> Iterator[int]:
        yield first
        raise ValueError("a damaged piece")

    items = draw_ahead(broken, 2)(1)
    assert next(items) == 1
    with pytest.raises(ValueError, match="damaged piece"):
        next(items)
