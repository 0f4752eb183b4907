"""`pianomuse surprise`: where a piece goes another way than the model expected."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("surprise", epilog="Example: pianomuse surprise waltz.mid --json")(surprise)


def surprise(
    midi: Annotated[Path, typer.Argument(metavar="IN.mid", help="The piece.")],
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME|PATH", help="A model that ships, a checkpoint or a run folder."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every note as one JSON document.")] = False,
) -> None:
    """Tell how surprising every note of a piece is to the model, in bits, and which bars are the most surprising."""
    import json

    from pianomuse.api import load
    from pianomuse.midi.read import read_midi

    piece = read_midi(midi)
    muse = load(model)
    notes = muse.surprise(piece)
    bars: dict[int, list[float]] = {}
    for note in notes:
        bars.setdefault(note.bar, []).append(note.bits)
    means = {bar: sum(bits) / len(bits) for bar, bits in bars.items()}
    mean = sum(note.bits for note in notes) / max(len(notes), 1)
    ranked = sorted(means, key=lambda bar: -means[bar])[:3]
    where = ", ".join(f"bar {bar} ({means[bar]:.1f})" for bar in ranked)
    typer.echo(f"{midi.name}: {mean:.2f} bits a note; most surprising: {where or 'no note is known'}", err=True)
    if as_json:
        rows = [
            {
                "tick": note.tick,
                "bar": note.bar,
                "pitch": note.pitch,
                "track": note.track,
                "bits": round(note.bits, 4),
                "when": round(note.when, 4),
                "what": round(note.what, 4),
                "how_loud": round(note.how_loud, 4),
                "how_long": round(note.how_long, 4),
            }
            for note in notes
        ]
        document = {
            "input": str(midi),
            "model": muse.name,
            "bits_per_note": round(mean, 4),
            "bars": {str(bar): round(value, 4) for bar, value in means.items()},
            "notes": rows,
            "warnings": list(piece.warnings),
        }
        typer.echo(json.dumps(document, ensure_ascii=False))
