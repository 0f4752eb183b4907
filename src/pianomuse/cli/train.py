"""`pianomuse train`: train a model on a prepared dataset, or go on with a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pianomuse.train.loop import Report


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(
        "train",
        epilog="Example: pianomuse train DATASET --out runs/first --preset tiny --steps 2000 --set lr=0.001",
    )(train)


def train(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="Folder that `pianomuse prepare` wrote.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="RUN", help="Run folder: metrics, checkpoints, the best model.")
    ],
    preset: Annotated[
        str | None, typer.Option("--preset", metavar="NAME", help="Size of a new model; small-piano if left out.")
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(
            "--init", metavar="CKPT", help="Start from a checkpoint, a run, an RWKV-7 .pth, or the bundled: default."
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", metavar="N", help="Optimizer steps.")] = None,
    is_resumed: Annotated[bool, typer.Option("--resume", help="Go on from the latest checkpoint of RUN.")] = False,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any setting; --list-settings names them. May be repeated."),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, npu or mps.")] = "auto",
    seed: Annotated[int | None, typer.Option("--seed", help="Of initial values, data order and dropout.")] = None,
    _list: Annotated[
        bool,
        typer.Option(
            "--list-settings", is_eager=True, callback=lambda wanted: _list_settings(wanted), help="Name all settings."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document when done.")] = False,
) -> None:
    """Train a model on a prepared dataset, or go on with a run. Ctrl-C saves and stops."""
    from pianomuse.train.command import prepare_run

    changes = list(assignments or [])
    changes += [f"n_steps={steps}"] if steps is not None else []
    changes += [f"seed={seed}"] if seed is not None else []
    run = prepare_run(dataset, out, preset=preset, init=init, resume=is_resumed, changes=changes, device=device)
    if not run.is_first:
        run.start(lambda report: None)
        return
    for line in run.said:
        typer.echo(line, err=True)
    with _progress_bar() as show:
        position = run.start(show)
    best = position.best_bits_per_note
    result = {"run": str(out), "step": position.step, "minutes": position.elapsed_s / 60, "best_bits_per_note": best}
    if as_json:
        typer.echo(json.dumps(result))
    told = "no validation yet" if best is None else f"best {best:.3f} bits per note, in {out / 'best'}"
    typer.echo(f"Step {position.step}: {told}", err=True)
    if position.step < run.settings.n_steps:
        typer.echo(f"Go on with: pianomuse train {dataset} --out {out} --resume", err=True)


def _list_settings(is_wanted: bool) -> None:
    if is_wanted:
        from pianomuse.settings import help_text
        from pianomuse.train.command import SECTIONS

        for section, kind in SECTIONS.items():
            typer.echo(f"[{section}]\n{help_text(kind)}\n")
        raise typer.Exit


@contextmanager
def _progress_bar() -> Iterator[Callable[[Report], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    room = Column(ratio=1)  # what the numbers leave
    columns: list[Any] = [TextColumn("step {task.fields[step]}"), BarColumn(None, table_column=room)]
    columns.append(TextColumn("{task.fields[numbers]}", table_column=Column(no_wrap=True)))
    with Progress(*columns, console=Console(stderr=True), expand=True) as bar:
        task = bar.add_task("train", total=1.0, step=0, numbers="")
        waited: list[float] = []

        def show(report: Report) -> None:
            waited[:] = [report.data_share]
            bar.update(task, completed=report.done, step=report.step, numbers=_numbers(report))
            if report.valid is not None:
                bar.console.print(
                    f"step {report.step}: validation {report.valid.bits_per_note:.3f} bits per note, "
                    f"{report.valid.bits_per_token:.3f} bits per token"
                )
            if report.saved is not None:
                bar.console.print(f"step {report.step}: saved {report.saved}")
            if report.sampled is not None:
                bar.console.print(f"step {report.step}: samples {report.sampled}")

        yield show
    for share in waited:
        advice = "; draw more ahead with --set ahead=N" if share > 0.02 else ""
        typer.echo(f"Waited for batches {100 * share:.1f} % of the time{advice}", err=True)


def _numbers(report: Report) -> str:
    """Return what stands beside the bar; it fits into 80 columns."""
    memory = [] if report.memory_gb is None else [f"{report.memory_gb:.1f} GB"]
    return " · ".join(
        (
            f"loss {report.loss:.2f}",
            f"{report.bits_per_note:.2f} bits a note",
            f"{report.tokens_per_s:,.0f} tokens/s",
            *memory,
            f"{report.minutes_left:.0f} min left",
        )
    )
