"""`pianomuse complete`: several ideas for how a piece could go on."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from pianomuse.cli import options as o


class YesNo(StrEnum):
    """A plain answer."""

    YES = "yes"
    NO = "no"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(
        "complete",
        epilog="Example: pianomuse complete waltz.mid --bars 4 --candidates 3 --seed 1",
    )(complete)


def complete(
    midi: o.Midi,
    at_bar: Annotated[
        int | None,
        typer.Option(
            "--at-bar",
            metavar="B",
            help="Last bar kept; 0 writes before bar 1. Without it: where the music stops.",
            rich_help_panel="Where it goes",
        ),
    ] = None,
    bars: Annotated[int, typer.Option("--bars", metavar="M", help="How many bars to write, 1 to 32.")] = 4,
    candidates: o.Candidates = 4,
    seed: o.Seed = None,
    finish_bar: Annotated[
        YesNo,
        typer.Option(
            "--finish-bar", help="First finish a bar that breaks off in the middle.", rich_help_panel="Where it goes"
        ),
    ] = YesNo.YES,
    insert: Annotated[
        bool | None,
        typer.Option(
            "--insert/--replace",
            help="Move what follows to later bars, or write over it. Without either: write over it.",
            show_default=False,
            rich_help_panel="Where it goes",
        ),
    ] = None,
    tracks: o.Tracks = None,
    first_downbeat: o.FirstDownbeat = None,
    context_bars: o.ContextBars = 512,
    adventure: o.AdventureOption = o.Adventure.BALANCED,
    temperature: o.Temperature = None,
    top_p: o.TopP = None,
    top_k: o.TopK = 0,
    feel: o.FeelOption = o.Feel.PLAYED,
    keep_rit: o.KeepRit = False,
    model: o.Model = None,
    device: o.DeviceOption = o.Device.AUTO,
    out: o.Out = None,
    audio: o.Audio = False,
    as_json: o.AsJson = False,
) -> None:
    """Go on where the piece stops, or after any bar; writes MIDI, a picture and a page to listen to."""
    import time

    from pianomuse.api import load
    from pianomuse.cli.ideas import deliver
    from pianomuse.midi.read import read_midi

    started = time.perf_counter()
    read_midi(midi)  # a file that cannot be read is refused before the model is loaded
    ideas = load(model, device.value).complete(
        midi,
        at_bar=at_bar,
        bars=bars,
        finish_bar=finish_bar is YesNo.YES,
        insert=insert,
        candidates=candidates,
        seed=seed,
        adventure=adventure.value,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        keep_rit=keep_rit,
        tracks=o.track_words(tracks),
        feel=feel.value,
        context_bars=context_bars,
        first_downbeat=first_downbeat,
    )
    deliver(ideas, midi, out, audio=audio, as_json=as_json, started=started)
