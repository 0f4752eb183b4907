"""`pianomuse convert`: a MIDI file as sheet music, and sheet music as a MIDI file."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from pianomuse.cli import options as o
from pianomuse.cli.choices import GridName


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(
        "convert",
        epilog="Example: pianomuse convert waltz.mid waltz.musicxml",
    )(convert)


def convert(
    midi: Annotated[
        Path, typer.Argument(metavar="IN", help="A MIDI file, whose piano part is written, or sheet music.")
    ],
    sheet: Annotated[Path, typer.Argument(metavar="OUT", help="Sheet music (.musicxml, or .mxl compressed) or .mid.")],
    title: Annotated[str, typer.Option("--title", help="Over the music; default: the name of IN.")] = "",
    first_downbeat: o.FirstDownbeat = None,
    grid: o.GridOption = GridName.AUTO,
    tempo: o.TempoOption = None,
    metre: o.MetreOption = None,
    force: Annotated[bool, typer.Option("--force", help="Write over OUT where it exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write a MIDI file as sheet music for notation programs, or sheet music as a MIDI file with its repeats played."""
    from pianomuse.errors import RequestError
    from pianomuse.notation.musicxml import APPROXIMATE
    from pianomuse.notation.read_musicxml import is_sheet_music
    from pianomuse.performance.grid import read_on_bars
    from pianomuse.render.sheet import sheet_of, write_sheet

    if sheet.exists() and not force:
        raise RequestError(f"{sheet} exists; give another name, or --force to write over it")
    if sheet.exists() and midi.exists() and sheet.samefile(midi):
        raise RequestError(f"{sheet} is the piece itself; give another name for the sheet music")
    if is_sheet_music(midi) and sheet.suffix.lower() in (".mid", ".midi"):
        _to_midi(midi, sheet, as_json=as_json)
        return
    begun = time.perf_counter()
    piece = read_on_bars(midi, first_downbeat=first_downbeat, grid=grid.value, tempo=tempo, metre=metre).piece
    page = sheet_of(piece, title)
    write_sheet(sheet, page)
    seconds = time.perf_counter() - begun
    warnings = [*piece.warnings, *([f"{APPROXIMATE}."] if page.is_approximate else [])]
    if page.n_left_out:
        warnings.append(f"Notes left out, too low or too close to the same key's next: {page.n_left_out}.")
    for warning in warnings:
        typer.echo(warning, err=True)
    if as_json:
        report = {
            "input": str(midi),
            "sheet": str(sheet),
            "bars": piece.grid.n_bars,
            "left_out": page.n_left_out,
            "approximate": page.is_approximate,
        }
        typer.echo(json.dumps({**report, "seconds": round(seconds, 3), "warnings": warnings}))
        return
    typer.echo(str(sheet))
    typer.echo(f"{piece.grid.n_bars} bars in {seconds:.1f} s", err=True)


def _to_midi(source: Path, target: Path, *, as_json: bool) -> None:
    """Write sheet music as a MIDI file; say what was played out and what was not read."""
    from pianomuse.midi.write import write_atomically
    from pianomuse.notation.read_musicxml import read_musicxml

    begun = time.perf_counter()
    sheet = read_musicxml(source)
    write_atomically(target, sheet.midi)
    seconds = time.perf_counter() - begun
    for warning in sheet.warnings:
        typer.echo(warning, err=True)
    if as_json:
        report = {"input": str(source), "midi": str(target), "bars_written": sheet.n_written, "bars": sheet.n_heard}
        typer.echo(json.dumps({**report, "seconds": round(seconds, 3), "warnings": list(sheet.warnings)}))
        return
    typer.echo(str(target))
    typer.echo(f"{sheet.n_heard} bars in {seconds:.1f} s", err=True)
