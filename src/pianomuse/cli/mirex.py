"""`pianomuse mirex`: the public task MIREX Piano Music Continuation, JSON in and out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("mirex", epilog="Example: pianomuse mirex prompt.json generation.json --seed 1")(mirex)


def mirex(
    prompt: Annotated[Path, typer.Argument(metavar="IN.json", help="Four bars of 4/4, times in sixteenths.")],
    generation: Annotated[Path, typer.Argument(metavar="OUT.json", help="Where the twelve bars go.")],
    candidates: Annotated[
        int, typer.Option("--candidates", metavar="K", help="More than one: OUT-1.json, OUT-2.json ...")
    ] = 1,
    seed: Annotated[int, typer.Option("--seed", metavar="S", min=0, help="Makes it repeatable.")] = 0,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME|PATH", help="A model that ships, a checkpoint or a run folder."),
    ] = None,
) -> None:
    """Continue a prompt of the MIREX 2025 task: four bars of piano in, twelve bars out."""
    import json

    from pianomuse.api import load
    from pianomuse.errors import RequestError
    from pianomuse.evaluate.mirex import continue_prompt, read_prompt
    from pianomuse.midi.write import write_atomically

    try:
        text = prompt.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise RequestError(f"{prompt} is not a text file; give the prompt as JSON") from None
    events = read_prompt(text)
    muse = load(model)
    written = continue_prompt(muse.engine, muse.tokenizer, events, n_ideas=candidates, seed=seed)
    for number, notes in enumerate(written, start=1):
        path = generation if candidates == 1 else generation.with_stem(f"{generation.stem}-{number}")
        write_atomically(path, json.dumps({"generation": notes}, indent=1).encode())
        typer.echo(f"{path}: {len(notes)} notes", err=True)
