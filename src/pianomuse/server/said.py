"""What people are told, with its code and values: a page can say the same in another language."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TypeAlias

from pydantic import BaseModel, Field

from pianomuse.coded import Coded, Value

CODE = "for programs: it stays when the wording changes"
VALUES = "what the sentence names; sentences and parts of them among these have codes of their own"


class Said(BaseModel):
    """A sentence, or a part of one."""

    message: str = Field(description="in English")
    code: str = Field(description=f"{CODE}; empty where there is none")
    values: dict[str, SaidValue] = Field(default_factory=dict, description=VALUES)


SaidValue: TypeAlias = int | float | str | Said | list[int | float | str | Said]
Said.model_rebuild()


def said(text: str) -> Said:
    """Return a sentence for the wire.

    >>> from pianomuse.coded import coded
    >>> said(coded("repeats bar 3", "repeats_bar", bar=3)).model_dump()
    {'message': 'repeats bar 3', 'code': 'repeats_bar', 'values': {'bar': 3}}
    """
    if not isinstance(text, Coded):
        return Said(message=text, code="")
    return Said(message=str(text), code=text.code, values=said_values(text.values))


def said_values(values: Mapping[str, Value]) -> dict[str, SaidValue]:
    """Return the values of a sentence for the wire."""
    return {
        name: _one(value) if isinstance(value, str | int | float) else [_one(one) for one in value]
        for name, value in values.items()
    }


def _one(value: str | int | float) -> int | float | str | Said:
    if isinstance(value, float) and not isfinite(value):
        return str(value)  # JSON has no such numbers, and a client may ask for them
    return said(value) if isinstance(value, Coded) else value
