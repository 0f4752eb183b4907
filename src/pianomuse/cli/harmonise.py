"""`pianomuse harmonise`: several ideas for the hand that is missing, under or over a given one."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pianomuse.cli import options as o
from pianomuse.cli.choices import HandName


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(
        "harmonise",
        epilog="Example: pianomuse harmonise melody.mid --chords 'Am | F | C | G'",
    )(harmonise)


@o.accepts(but=("keep_rit", "hand", "keep", "keep_from"))
def harmonise(
    midi: o.Midi,
    from_bar: Annotated[
        int | None, typer.Option("--from-bar", metavar="A", help="First bar; without it bar 1.", show_default=False)
    ] = None,
    to_bar: Annotated[
        int | None, typer.Option("--to-bar", metavar="B", help="Last bar; without it the last.", show_default=False)
    ] = None,
    add: Annotated[
        HandName | None,
        typer.Option("--add", help="The hand to write; without it the one that is missing.", show_default=False),
    ] = None,
    **options: Any,
) -> None:
    """Write an accompaniment to a melody, or a melody to a bass: the hand that is missing; what is there stays."""
    from pianomuse.cli.ideas import write

    write("harmonise", midi, from_bar, to_bar, hand=add, **options)
