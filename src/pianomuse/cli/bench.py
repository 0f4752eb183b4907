"""`pianomuse bench`: how fast PianoMuse is on this machine, as ratios to a peer in the same run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("bench", epilog="Example: pianomuse bench wkv --set heads=8 --json")(bench)


def bench(
    name: Annotated[str, typer.Argument(metavar="WHAT", help="wkv, decode, train or complete.")],
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any setting; --list-settings names them. May be repeated."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Also write the JSON document here.")
    ] = None,
    is_listing: Annotated[
        bool, typer.Option("--list-settings", help="Name the settings of this benchmark, and stop.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Measure speed on this machine. A ratio above 1 means ours is better; let nothing else run meanwhile."""
    from pianomuse.evaluate.bench import benchmark
    from pianomuse.midi.write import write_atomically
    from pianomuse.settings import help_text, override

    module = benchmark(name)
    if is_listing:
        typer.echo(help_text(module.Settings))
        return
    settings = override(module.Settings(), assignments or [])
    outcome = module.measure(settings, lambda text: typer.echo(text, err=True))
    document = outcome.to_json()
    if out is not None:
        write_atomically(out, (json.dumps(document, indent=1, allow_nan=False) + "\n").encode())
    typer.echo(json.dumps(document, allow_nan=False) if as_json else "\n".join(outcome.to_lines()))
