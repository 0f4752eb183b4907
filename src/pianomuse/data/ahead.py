"""Draw batches ahead in a thread, so that a step seldom waits for one; what is drawn does not change."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")
_PATIENCE_S = 0.1  # how soon the thread notices that nobody wants more


def draw_ahead(open_items: Callable[[int], Iterator[T]], n_ahead: int) -> Callable[[int], Iterator[T]]:
    """Return a function that opens the same stream, drawn `n_ahead` items ahead by a thread.

    Args:
        open_items: opens an endless stream at its n-th item.
        n_ahead: how many items wait at most; 0 draws each when it is asked for.

    Example:
        >>> import itertools
        >>> numbers = draw_ahead(itertools.count, 4)(10)
        >>> next(numbers), next(numbers)
        (10, 11)
        >>> numbers.close()
    """
    return (lambda first: _ahead(open_items(first), n_ahead)) if n_ahead > 0 else open_items


def _ahead(items: Iterator[T], n_ahead: int) -> Iterator[T]:
    drawn: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(n_ahead)
    is_over = threading.Event()

    def put(item: T | None, error: BaseException | None) -> None:
        while not is_over.is_set():
            with contextlib.suppress(queue.Full):
                drawn.put((item, error), timeout=_PATIENCE_S)
                break

    def draw() -> None:
        try:
            while not is_over.is_set():
                put(next(items), None)
        except BaseException as error:  # it is raised where the item is asked for
            put(None, error)

    thread = threading.Thread(target=draw, name="batches", daemon=True)
    thread.start()
    try:
        while True:
            item, error = drawn.get()
            if error is not None:
                raise error
            yield item  # type: ignore[misc]  # without an error there is an item
    finally:
        is_over.set()
        thread.join()
