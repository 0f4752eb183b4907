"""`pianomuse render`: a MIDI file as sound."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(
        "render",
        epilog="Example: pianomuse render waltz.mid waltz.wav",
    )(render)


def render(
    midi: Annotated[Path, typer.Argument(metavar="IN.mid", help="The piece; its piano part is played.")],
    wav: Annotated[Path, typer.Argument(metavar="OUT.wav", help="Where the sound goes: 16 bit, stereo.")],
    sample_rate: Annotated[int, typer.Option("--sample-rate", metavar="HZ", help="Samples per second.")] = 44_100,
    force: Annotated[bool, typer.Option("--force", help="Write over OUT.wav where it exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Play a MIDI file on the sampled piano and write a WAV file."""
    from pianomuse.errors import RequestError
    from pianomuse.midi.read import read_midi
    from pianomuse.render.piano import score_sound, write_wav

    if wav.exists() and not force:
        raise RequestError(f"{wav} exists; give another name, or --force to write over it")
    begun = time.perf_counter()
    piece = read_midi(midi)
    sound = score_sound(piece.score, sample_rate=sample_rate)
    write_wav(wav, sound, sample_rate)
    seconds = time.perf_counter() - begun
    for warning in piece.warnings:
        typer.echo(warning, err=True)
    length = len(sound) / sample_rate
    if as_json:
        report = {"input": str(midi), "wav": str(wav), "sample_rate": sample_rate, "length_seconds": round(length, 3)}
        typer.echo(json.dumps({**report, "seconds": round(seconds, 3), "warnings": list(piece.warnings)}))
        return
    typer.echo(str(wav))
    typer.echo(f"{length:.1f} s of music in {seconds:.1f} s", err=True)
