"""Sentences that programs can tell apart, and say in another language.

What people are told is English. Where it is made it also gets a code, which stays when the wording changes, and the
values that it names, so that a page can say the same in Chinese.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Value: TypeAlias = str | int | float | Sequence[str] | Sequence[int]
"""A name, a number, or some of them; a `Coded` among them is a sentence, or a part of one, with a code of its own."""


class Coded(str):
    """An English sentence; made by `coded`."""

    code: str
    values: dict[str, Value]


def coded(english: str, code: str, **values: Value) -> Coded:
    """Return a sentence with its code and the values that it names.

    >>> said = coded("Bar 3 is empty.", "bar_empty", bar=3)
    >>> said, said.code, said.values
    ('Bar 3 is empty.', 'bar_empty', {'bar': 3})
    """
    sentence = Coded(english)
    sentence.code, sentence.values = code, values
    return sentence
