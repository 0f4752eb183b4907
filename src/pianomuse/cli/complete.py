"""`pianomuse complete`: several ideas for how a piece could go on."""

from __future__ import annotations

import typer

from pianomuse.cli import options as o


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(
        "complete",
        epilog="Example: pianomuse complete waltz.mid --bars 4 --candidates 3 --seed 1",
    )(complete)


def complete(
    midi: o.Midi,
    at_bar: o.AtBar = None,
    bars: o.Bars = 4,
    candidates: o.Candidates = 4,
    seed: o.Seed = None,
    finish_bar: o.FinishBar = o.YesNo.YES,
    insert: o.Insert = None,
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
        finish_bar=finish_bar is o.YesNo.YES,
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
