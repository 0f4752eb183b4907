"""`pianomuse fill`: several ideas for bars in the middle, heard from both sides."""

from __future__ import annotations

from typing import Any

import typer

from pianomuse.cli import options as o


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(
        "fill",
        epilog="Example: pianomuse fill waltz.mid --from-bar 9 --to-bar 12",
    )(fill)


@o.accepts()
def fill(
    midi: o.Midi,
    from_bar: o.FromBar,
    to_bar: o.ToBar,
    **options: Any,
) -> None:
    """Write bars A to B anew from what stands on both sides; writes MIDI, a picture and a page to listen to."""
    from pianomuse.cli.ideas import write

    write("fill", midi, from_bar, to_bar, **options)
