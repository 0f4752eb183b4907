"""`pianomuse vary`: bars again, with their rhythm, contour or harmony kept."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pianomuse.cli import options as o
from pianomuse.cli.choices import KeepOfBars


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(
        "vary",
        epilog="Example: pianomuse vary waltz.mid --from-bar 9 --to-bar 12 --keep rhythm",
    )(vary)


@o.accepts(but=("hand", "keep", "keep_from", "ending", "to"))
def vary(
    midi: o.Midi,
    from_bar: o.FromBar,
    to_bar: o.ToBar,
    keep: Annotated[KeepOfBars, typer.Option("--keep", help="What stays of these bars.")],
    **options: Any,
) -> None:
    """Write bars A to B anew, heard from both sides, with their rhythm, contour or harmony kept."""
    from pianomuse.cli.ideas import write

    write("vary", midi, from_bar, to_bar, keep=keep, **options)
