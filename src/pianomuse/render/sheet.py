"""A piece as sheet music: MusicXML, plain or compressed."""

from __future__ import annotations

from pathlib import Path

from pianomuse.errors import RequestError
from pianomuse.midi.read import Piece
from pianomuse.midi.write import write_atomically
from pianomuse.notation.musicxml import compressed, musicxml
from pianomuse.notation.sheet import Sheet, lay_out
from pianomuse.notation.staves import staves
from pianomuse.tokens.snap import is_played, snap

SUFFIXES = (".musicxml", ".xml", ".mxl")


def sheet_of(piece: Piece, title: str = "") -> Sheet:
    """Lay a piece out as sheet music; a performance is first brought onto the rhythm it was meant in.

    Args:
        piece: what `read_midi` returned.
        title: over the music; default: the name of the file.
    """
    score = staves(piece)
    is_performance = is_played(score)
    if not title and piece.path is not None:
        title = piece.path.stem
    return lay_out(snap(score) if is_performance else score, piece.grid, title=title, is_played=is_performance)


def write_sheet(path: str | Path, sheet: Sheet) -> Path:
    """Write a sheet as MusicXML, compressed where the name ends in .mxl.

    Raises:
        RequestError: the name ends in something else.
    """
    target = Path(path)
    if target.suffix.lower() not in SUFFIXES:
        raise RequestError(f"{target}: sheet music is written as {', '.join(SUFFIXES)}; give a name that ends so")
    document = musicxml(sheet)
    return write_atomically(target, compressed(document) if target.suffix.lower() == ".mxl" else document)
