"""`pianomuse export`: a model's weights as one file that other programs read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("export", epilog="Example: pianomuse export runs/mine --format pth --out mine.pth")(export)


def export(
    checkpoint: Annotated[
        str, typer.Argument(metavar="CKPT", help="A checkpoint, a run folder (its best), or a model that ships.")
    ],
    file_format: Annotated[
        str, typer.Option("--format", "--to", metavar="FORMAT", help="pth (official RWKV-7 layout), safetensors, onnx.")
    ] = "pth",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="File to write; default: the model's name, here.")
    ] = None,
    is_forced: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write a model's weights as one file for other programs, float32, under the official RWKV-7 names."""
    from pianomuse.api import model_folder
    from pianomuse.checkpoint.export import export_weights
    from pianomuse.checkpoint.store import load_checkpoint

    folder = model_folder(checkpoint, said_as="CKPT")
    path = out or Path(f"{_name(folder)}.{file_format}")
    if file_format == "onnx":
        from pianomuse.runtime.onnx_export import export_onnx

        notes = export_onnx(load_checkpoint(folder), path, replace=is_forced)
    else:
        notes = export_weights(load_checkpoint(folder), path, file_format, replace=is_forced)
    for note in notes:
        typer.echo(note, err=True)
    typer.echo(json.dumps({"file": str(path), "format": file_format, "notes": notes}) if as_json else str(path))


def _name(folder: Path) -> str:
    """Return what to call a model: the run of a `best`, else the folder."""
    folder = folder.resolve()
    return folder.parent.name if folder.name == "best" and folder.parent.name else folder.name
