"""Rows of bars cut from real files, the piece standing in for the idea."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pianomuse.midi.read import Piece, read_midi
from pianomuse.render.rows import IdeaRow, hands_of_tracks, idea_row

FILES = Path(__file__).resolve().parent.parent / "files"


@pytest.fixture(scope="session")
def piece(examples: Path) -> Callable[[str], Piece]:
    """Read an example, or a file of tests/files, by its stem."""

    def read(stem: str) -> Piece:
        path = examples / f"{stem}.mid"
        return read_midi(path if path.exists() else FILES / f"{stem}.mid")

    return read


@pytest.fixture(scope="session")
def row(piece: Callable[[str], Piece]) -> Callable[..., IdeaRow]:
    """Cut a row whose idea is bars `first` to `last` (1-based) of a piece."""

    def cut(stem: str, first: int, last: int, *, late_ticks: int = 0, number: int = 1, **settings: object) -> IdeaRow:
        whole = piece(stem)
        begin, end = whole.grid.start_of(first - 1) + late_ticks, whole.grid.start_of(last)
        hands = hands_of_tracks(whole)
        return idea_row(whole.score, whole.grid, begin, end, number=number, seed=4117, hands=hands, **settings)

    return cut
