"""`pianomuse taste`: what was learnt from the ideas you chose, and how to forget it."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("taste", epilog="Example: pianomuse taste --reset")(taste)


def taste(
    is_reset: Annotated[bool, typer.Option("--reset", help="Forget all choices.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show what the order of ideas has learnt from those you accepted or starred. It stays on this machine."""
    from pianomuse.generate.taste import load_taste, taste_path

    path = taste_path()
    if is_reset:
        path.unlink(missing_ok=True)
    found = load_taste()
    if as_json:
        document = {"file": str(path), "choices": found.n_choices, "weights": dict(found.weights)}
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    if not found.n_choices:
        typer.echo("Nothing was chosen yet.")
        return
    typer.echo(f"Learnt from {found.n_choices} choices, in {path}:")
    for line in found.in_words() or ["nothing that shows yet"]:
        typer.echo(f"  {line}")
