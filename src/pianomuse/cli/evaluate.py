"""`pianomuse evaluate`: how good a model is, beside the references it has to beat."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    example = "Example: pianomuse evaluate my-midi-files --measures all --pieces 20"
    app.command("evaluate", epilog=example)(evaluate)


def evaluate(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="MIDI_DIR|DATASET", help="Files the model has not seen; of a split, the validation part."
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME|PATH", help="A model that ships, a checkpoint or a run folder."),
    ] = None,
    style: Annotated[
        Path | None, typer.Option("--style", metavar="FILE", help="Begin every piece with this style (see tune).")
    ] = None,
    measures: Annotated[
        str,
        typer.Option(
            "--measures",
            metavar="LIST",
            help="all, or of likelihood,context,motif,continuation,ends,infill,hand,melody,mirex,dynamics,validity.",
        ),
    ] = "likelihood",
    pieces: Annotated[
        int | None, typer.Option("--pieces", metavar="N", min=1, help="Only N pieces, evenly spread.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="FOLDER", help="Sub-folder to leave out. May be repeated.")
    ] = None,
    candidates: Annotated[int, typer.Option("--candidates", metavar="K", help="Ideas per place, 1 to 16.")] = 4,
    seed: Annotated[int, typer.Option("--seed", metavar="S", min=0, help="Of the ideas.")] = 1,
    temperature: Annotated[float | None, typer.Option("--temperature", metavar="T", help="Default: balanced.")] = None,
    top_p: Annotated[float | None, typer.Option("--top-p", metavar="P", help="Default: balanced.")] = None,
    precision: Annotated[str, typer.Option("--precision", help="float32 or int8.")] = "float32",
    attention: Annotated[
        Path | None,
        typer.Option("--attention", metavar="CKPT", help="Also score this attention reference (see the docs)."),
    ] = None,
    n_valid: Annotated[
        int, typer.Option("--ideas", metavar="N", min=4, help="Ideas that `validity` reads back.")
    ] = 2000,
    training: Annotated[
        Path | None,
        typer.Option("--training", metavar="DATASET", help="Prepared training data to search ideas for copies of."),
    ] = None,
    listening_test: Annotated[
        Path | None, typer.Option("--listening-test", metavar="OUT", help="Write a blind test of continuations here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Measure a model on works it has not seen, in one table with the references it has to beat."""
    from pianomuse.api import DEFAULT_MODEL, load
    from pianomuse.errors import RequestError
    from pianomuse.evaluate.comparison import Settings
    from pianomuse.evaluate.judge import Judged, chosen_measures, judge
    from pianomuse.evaluate.report import to_json
    from pianomuse.evaluate.tables import to_lines
    from pianomuse.evaluate.works import load_works
    from pianomuse.generate.sampling import SamplingSettings

    chosen = chosen_measures(measures)
    if listening_test is not None and "continuation" not in chosen:
        chosen = (*chosen, "continuation")
    if not 1 <= candidates <= 16:
        raise RequestError(f"--candidates {candidates}: choose 1 to 16")
    if precision not in ("float32", "int8"):
        raise RequestError(f"--precision {precision}: choose float32 or int8")
    balanced = SamplingSettings()
    sampling = SamplingSettings(
        temperature=balanced.temperature if temperature is None else temperature,
        top_p=balanced.top_p if top_p is None else top_p,
    )
    works = load_works(source, n_pieces=pieces, exclude=tuple(exclude or ()))
    muse = load(model, precision="int8" if precision == "int8" else "float32")
    engine: Any = (muse if style is None else muse.with_style(style)).engine
    judged = Judged(chosen, Settings(candidates, seed, sampling), n_valid, attention=attention, training=training)
    name = (DEFAULT_MODEL if model is None else model) + (f" with style {style.stem}" if style is not None else "")
    report = _with_progress(lambda tell: judge(engine, name, works, judged, progress=tell))
    if listening_test is not None:
        _listening_test(report, listening_test, seed)
    if as_json:
        typer.echo(json.dumps(to_json(report), allow_nan=False))
    else:
        typer.echo("\n".join(to_lines(report)))


def _with_progress(work: Callable[[Callable[[str, int, int], None]], Any]) -> Any:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading", total=None)
        return work(lambda what, done, total: bar.update(task, description=what, completed=done, total=total))


def _listening_test(report: Any, out: Path, seed: int) -> None:
    from pianomuse.evaluate.listening import write_listening_test

    found = next(found for found in report.comparisons if found.task.name == "continuation")
    page, key = write_listening_test(found, out, seed=seed)
    typer.echo(f"Listening test: {page}; keep {key} to yourself", err=True)
    typer.echo(f"Score the answers: python scripts/score_listening_test.py {key} ratings.json ...", err=True)
