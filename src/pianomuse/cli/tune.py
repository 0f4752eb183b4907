"""`pianomuse tune`: a style file from a handful of your own pieces."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pianomuse.data.pieces import TokenPiece
    from pianomuse.train.loop import Report
    from pianomuse.train.tune import Learnt


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("tune", epilog="Example: pianomuse tune my-pieces --out mine.safetensors")(tune)


def tune(
    pieces: Annotated[Path, typer.Argument(metavar="MY_PIECES", help="Folder of MIDI files in one style, or a file.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Style file to write.")],
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME|PATH", help="The model the style is for.")
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", metavar="N", min=1, help="At most so many steps.")] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", metavar="M", min=0.01, help="At most so many minutes.")
    ] = None,
    lr: Annotated[float | None, typer.Option("--lr", metavar="X", min=0, help="Learning rate at the start.")] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="S", min=0, help="Of the examples.")] = 0,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, npu or mps.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document when done.")] = False,
) -> None:
    """Learn a style from your pieces, for `complete --style` and `fill --style`. Ctrl-C keeps the best so far."""
    from dataclasses import replace

    from pianomuse.api import DEFAULT_MODEL, model_folder
    from pianomuse.checkpoint.store import load_checkpoint
    from pianomuse.checkpoint.style import save_style
    from pianomuse.errors import RequestError

    try:
        from pianomuse.data.own_pieces import read_own_pieces
        from pianomuse.train.tune import RECIPE, tune
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise RequestError("tune needs PyTorch: pip install 'pianomuse[train]'") from error

    if out.exists():
        raise RequestError(f"--out {out} is there already and stays; name another file")
    changes: dict[str, Any] = {"seed": seed}
    changes |= {"max_minutes": minutes} if minutes is not None else {}
    changes |= {"n_steps": steps} if steps is not None else {}
    changes |= {"lr": lr, "lr_final": lr / 10} if lr is not None else {}
    checkpoint = load_checkpoint(model_folder(model))
    found, dropped = read_own_pieces(pieces)
    _tell_pieces(found, dropped)
    with _progress_bar() as show:
        style, learnt = tune(
            checkpoint,
            found,
            replace(RECIPE, **changes),
            device=device,
            listener=show,
            say=lambda line: typer.echo(line, err=True),
        )
    save_style(out, style)
    _tell_result(out, learnt)
    if as_json:
        facts = {"style": str(out), "model": model or DEFAULT_MODEL, "size_bytes": out.stat().st_size, **style.facts}
        typer.echo(json.dumps({**facts, "dropped": dropped, "seconds": round(learnt.seconds, 2)}, ensure_ascii=False))


def _tell_pieces(pieces: list[TokenPiece], dropped: dict[str, int]) -> None:
    bars = sum(piece.n_bars for piece in pieces)
    typer.echo(f"{len(pieces)} pieces, {bars:,} bars", err=True)
    for reason, count in dropped.items():
        typer.echo(f"  left out {count}: {reason}", err=True)


def _tell_result(out: Path, learnt: Learnt) -> None:
    if learnt.before is None or learnt.after is None:
        typer.echo(f"{learnt.steps} steps; nothing was held out, so listen whether it helps.", err=True)
    else:
        gain = learnt.before - learnt.after
        typer.echo(
            f"Held out: {learnt.before:.3f} bits per note before, {learnt.after:.3f} after ({-gain:+.3f})", err=True
        )
        if gain < 0.0005:  # nothing that the line above would show
            typer.echo("This style does not help: the model knows such music already, or the pieces differ.", err=True)
    typer.echo(f"Use it: pianomuse complete your-piece.mid --style {out}", err=True)


@contextmanager
def _progress_bar() -> Iterator[Callable[[Report], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns: list[Any] = [TextColumn("step {task.fields[step]}"), BarColumn(), TextColumn("{task.fields[numbers]}")]
    console = Console(stderr=True)
    with Progress(
        *columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("tune", total=1.0, step=0, numbers="")
        held_out = ""

        def show(report: Report) -> None:
            nonlocal held_out
            if report.valid is not None:
                held_out = f"held out {report.valid.bits_per_note:.3f} bits per note · "
            numbers = f"{held_out}at most {report.minutes_left:.1f} min left"
            bar.update(task, completed=report.done, step=report.step, numbers=numbers)

        yield show
