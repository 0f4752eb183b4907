"""Read a file on bars: its own, or, where they plainly do not fit, those that are found in its notes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pianomuse.errors import RequestError
from pianomuse.midi.bars import Metre
from pianomuse.midi.read import Piece
from pianomuse.notation.read_musicxml import read_piece
from pianomuse.performance.clock import Clock
from pianomuse.performance.fit import is_free
from pianomuse.performance.onto_bars import put_on_bars

GRIDS = ("auto", "file")
_FARTHEST_DOWNBEAT = 64


@dataclass(frozen=True)
class Read:
    """A piece on bars.

    Args:
        piece: where the bars were found, with its `recording`.
        first_downbeat_ticks: as the piece was read with.

    """

    piece: Piece
    first_downbeat_ticks: int | None = None


def read_on_bars(
    source: str | Path | bytes | Piece,
    *,
    first_downbeat: float | str | None = None,
    grid: str = "auto",
    tempo: float | None = None,
    metre: str | None = None,
) -> Read:
    """Read a file.

    Args:
        source: its path, its bytes, or a piece that is read already.
        first_downbeat: where the first whole bar begins: quarter notes of the file, or seconds as in ``0.52s``.
        grid: ``file`` keeps its bars; ``auto`` finds bars where they plainly do not fit the notes, or where tempo or
            metre are told.
        tempo: of a recording, roughly, quarter notes a minute.
        metre: of a recording, such as ``3/4``.

    Raises:
        MidiError: the file cannot be read.
        RequestError: an option that is none, or that cannot be followed.

    """
    if grid not in GRIDS:
        raise RequestError(
            f"--grid {grid}: choose {' or '.join(GRIDS)}", "grid_unknown", value=grid, choices=list(GRIDS)
        )
    is_told = tempo is not None or metre is not None
    if grid == "file" and is_told:
        raise RequestError(
            "--tempo and --metre are for bars found in the notes: leave --grid file out", "grid_and_tempo"
        )
    number, is_seconds = _place(first_downbeat)
    piece = source if isinstance(source, Piece) else read_piece(source)
    if piece.recording is not None:
        return Read(piece)
    if grid == "auto" and (is_told or is_free(piece)):
        seconds = number
        if number is not None and not is_seconds:
            seconds = float(Clock(piece).seconds(number * piece.grid.ticks_per_quarter))
        return Read(
            put_on_bars(
                piece, first_downbeat_s=seconds, tempo_bpm=tempo, metre=None if metre is None else _metre(metre)
            )
        )
    if number is None:
        return Read(piece)
    ticks = float(Clock(piece).ticks(number)) if is_seconds else number * piece.grid.ticks_per_quarter
    if ticks > _FARTHEST_DOWNBEAT * piece.grid.ticks_per_quarter:
        raise RequestError(
            f"--first-downbeat {first_downbeat}: choose 0 to {_FARTHEST_DOWNBEAT} quarter notes",
            "first_downbeat_outside",
            value=str(first_downbeat),
            most=_FARTHEST_DOWNBEAT,
        )
    moved = piece if isinstance(source, Piece) else read_piece(source, first_downbeat_ticks=round(ticks))
    return Read(moved, round(ticks))


def _place(first_downbeat: float | str | None) -> tuple[float | None, bool]:
    """Return a first downbeat as a number, and whether it is seconds; else quarter notes."""
    if first_downbeat is None:
        return None, False
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(s?)\s*", f"{first_downbeat}")
    if found is None or (not found[2] and float(found[1]) > _FARTHEST_DOWNBEAT):
        raise RequestError(
            f"--first-downbeat {first_downbeat}: choose 0 to {_FARTHEST_DOWNBEAT} quarter notes of the file, "
            "or seconds as in 0.52s",
            "first_downbeat_unreadable",
            value=str(first_downbeat),
            most=_FARTHEST_DOWNBEAT,
        )
    return float(found[1]), bool(found[2])


def _metre(text: str) -> Metre:
    found = re.fullmatch(r"\s*(\d{1,2})\s*/\s*(\d{1,2})\s*", text)
    if found is None:
        raise RequestError(f"--metre {text}: write it as in 3/4", "metre_unreadable", value=text)
    return int(found[1]), int(found[2])
