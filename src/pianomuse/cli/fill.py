"""`pianomuse fill`: several ideas for bars in the middle, heard from both sides."""

from __future__ import annotations

from typing import Annotated

import typer

from pianomuse.cli import options as o


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(
        "fill",
        epilog="Example: pianomuse fill waltz.mid --from-bar 9 --to-bar 12",
    )(fill)


def fill(
    midi: o.Midi,
    from_bar: Annotated[int, typer.Option("--from-bar", metavar="A", help="First bar to write, from 1.")],
    to_bar: Annotated[int, typer.Option("--to-bar", metavar="B", help="Last bar to write.")],
    candidates: o.Candidates = 4,
    seed: o.Seed = None,
    tracks: o.Tracks = None,
    first_downbeat: o.FirstDownbeat = None,
    context_bars: o.ContextBars = 512,
    adventure: o.AdventureOption = o.Adventure.BALANCED,
    temperature: o.Temperature = None,
    top_p: o.TopP = None,
    top_k: o.TopK = 0,
    feel: o.FeelOption = o.Feel.PLAYED,
    keep_rit: o.KeepRit = False,
    key: o.Key = None,
    scale: o.Scale = None,
    chromatic: o.ChromaticOption = None,
    chords: o.Chords = None,
    chords_strict: o.ChordsStrict = False,
    range: o.Range = None,
    notes_per_bar: o.NotesPerBar = None,
    voices: o.Voices = None,
    hand: o.HandOption = None,
    keep: o.KeepOption = None,
    keep_from: o.KeepFrom = None,
    ending: o.Ending = None,
    to: o.To = None,
    model: o.Model = None,
    style: o.Style = None,
    style_strength: o.StyleStrength = 1.0,
    device: o.DeviceOption = o.Device.AUTO,
    out: o.Out = None,
    audio: o.Audio = False,
    as_json: o.AsJson = False,
) -> None:
    """Write bars A to B anew from what stands on both sides; writes MIDI, a picture and a page to listen to."""
    import time

    from pianomuse.api import load
    from pianomuse.cli.ideas import deliver
    from pianomuse.midi.read import read_midi

    started = time.perf_counter()
    read_midi(midi)  # a file that cannot be read is refused before the model is loaded
    ideas = load(model, device.value).fill(
        midi,
        from_bar,
        to_bar,
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
        style=style,
        style_strength=style_strength,
        first_downbeat=first_downbeat,
        key=key,
        scale=scale,
        chromatic="passing" if chromatic else None,
        chords=chords,
        chords_strict=chords_strict,
        range=range,
        notes_per_bar=notes_per_bar,
        voices=voices,
        hand=hand.value if hand else None,
        ending=ending.value if ending else None,
        to=to,
        keep=keep.value if keep else None,
        keep_from=keep_from,
    )
    deliver(ideas, midi, out, audio=audio, as_json=as_json, started=started)
