"""`pianomuse prepare`: a folder of MIDI files becomes a dataset to train on."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pianomuse.data.prepare import PrepareReport


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("prepare", epilog="Example: pianomuse prepare my-midi-files --out datasets/mine")(prepare)


def prepare(
    midi_dir: Annotated[Path, typer.Argument(metavar="MIDI_DIR", help="Folder with .mid files, searched recursively.")],
    out: Annotated[Path, typer.Option("--out", metavar="DATASET", help="Folder to write; must not exist yet.")],
    context_bars: Annotated[int, typer.Option("--context-bars", min=1, help="Bars of context in a window.")] = 4,
    completion_bars: Annotated[int, typer.Option("--completion-bars", min=1, help="Bars to complete.")] = 2,
    step: Annotated[int, typer.Option("--step", min=1, help="Bars between windows.")] = 1,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="Processes; default: one per core.")] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="FOLDER", help="Sub-folder to leave out. May be repeated.")
    ] = None,
    exclude_list: Annotated[
        Path | None,
        typer.Option(
            "--exclude-list", metavar="FILE", help="Text file: paths inside MIDI_DIR to leave out, one a line."
        ),
    ] = None,
    jsonl: Annotated[
        Path | None, typer.Option("--jsonl", metavar="FILE", help="Also write the training windows as JSON Lines.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document when done.")] = False,
) -> None:
    """Turn a folder of MIDI files into a dataset, split by work; say what was dropped and why."""
    from rich.console import Console
    from rich.progress import Progress

    from pianomuse.data.prepare import process_midi_directory

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading", total=None)
        report = process_midi_directory(
            midi_dir,
            out,
            context_bars=context_bars,
            completion_bars=completion_bars,
            step=step,
            jobs=jobs,
            exclude=tuple(exclude or ()),
            exclude_files=_listed(exclude_list),
            progress=lambda done, files: bar.update(task, completed=done, total=files),
        )
    n_pairs = _write_windows(out, jsonl) if jsonl is not None else None
    if as_json:
        typer.echo(json.dumps({"dataset": str(out), **asdict(report), "pairs": n_pairs}))
    _tell(report, out)
    if n_pairs is not None:
        typer.echo(f"Wrote {n_pairs:,} windows of the training works to {jsonl}", err=True)


def _listed(path: Path | None) -> frozenset[str]:
    """Read a list of files; empty lines and lines that begin with # are passed over."""
    from pianomuse.errors import RequestError

    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path is not None else []
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"--exclude-list {path}: cannot be read ({error}); give a text file") from None
    return frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def _write_windows(dataset: Path, path: Path) -> int:
    from pianomuse.data.store import PieceStore
    from pianomuse.data.windows import create_context_completion_pairs, save_dataset

    store = PieceStore(dataset, "train")
    header = store.header
    pairs = (
        pair
        for piece in store
        for pair in create_context_completion_pairs(
            piece.views["full"].ids, store.tokenizer, header.context_bars, header.completion_bars, header.step
        )
    )
    return save_dataset(pairs, path, store.tokenizer)


def _tell(report: PrepareReport, out: Path) -> None:
    kept = sum(report.pieces.values())
    split = ", ".join(f"{count:,} to {name}" for name, count in report.pieces.items())
    typer.echo(f"{report.files:,} files: {kept:,} kept ({split})", err=True)
    for reason, count in sorted(report.dropped.items(), key=lambda item: -item[1]):
        typer.echo(f"  dropped {count:,}: {reason} (such as {report.examples[reason][0]})", err=True)
    for what, count in report.lost.items():
        if count:
            typer.echo(f"  {count:,} notes {what}", err=True)
    if not report.pieces["valid"]:
        typer.echo("All of it is one work, and a run is judged by another: prepare a folder with more.", err=True)
        return
    typer.echo(f"Train with: pianomuse train {out} --out runs/first --preset tiny", err=True)
