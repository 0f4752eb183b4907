"""Choices made from bytes: the same bytes make the same choices, and every byte is one of them.

So a search that is guided by coverage can turn one choice at a time, and what showed a fault is kept as its bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

ValueT = TypeVar("ValueT")


class Choices:
    """Choices made one after the other, a byte or two each; when no bytes are left, the first of what there is."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def are_over(self) -> bool:
        return self._at >= len(self._data)

    def below(self, n: int) -> int:
        size = 1 if n <= 256 else 2
        taken = self._data[self._at : self._at + size]
        self._at += size
        return int.from_bytes(taken, "big") % n

    def of(self, what: Sequence[ValueT]) -> ValueT:
        return what[self.below(len(what))]

    def rest(self) -> bytes:
        return self._data[self._at :]
