"""`pianomuse complete`: several ideas for how a piece could go on."""

from __future__ import annotations

from typing import Any

import typer

from pianomuse.cli import options as o
from pianomuse.cli.choices import YesNo


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(
        "complete",
        epilog="Example: pianomuse complete waltz.mid --bars 4 --candidates 3 --seed 1",
    )(complete)


@o.accepts()
def complete(
    midi: o.Midi,
    at_bar: o.AtBar = None,
    bars: o.Bars = 4,
    finish_bar: o.FinishBar = YesNo.YES,
    insert: o.Insert = None,
    **options: Any,
) -> None:
    """Go on where the piece stops, or after any bar; writes MIDI, a picture and a page to listen to."""
    from pianomuse.cli.ideas import write

    finishes = finish_bar is YesNo.YES
    write("complete", midi, at_bar=at_bar, bars=bars, finish_bar=finishes, insert=insert, **options)
