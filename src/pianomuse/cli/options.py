"""The options of the commands that write ideas: `accepts` gives a command those that all of them have."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from pianomuse.cli import limit_options as limits
from pianomuse.cli.choices import Adventure, Device, Feel, GridName, YesNo

_SOUND = "How it sounds"
_PLACE = "Where it goes"
_MODEL = "Model and files"

Midi = Annotated[Path, typer.Argument(metavar="IN.mid", help="The piece.", show_default=False)]
AtBar = Annotated[
    int | None,
    typer.Option(
        "--at-bar",
        metavar="B",
        help="Last bar kept; 0 writes before bar 1. Without it: where the music stops.",
        rich_help_panel=_PLACE,
    ),
]
Bars = Annotated[int, typer.Option("--bars", metavar="M", help="How many bars to write, 1 to 32.")]
FinishBar = Annotated[
    YesNo,
    typer.Option("--finish-bar", help="First finish a bar that breaks off in the middle.", rich_help_panel=_PLACE),
]
Insert = Annotated[
    bool | None,
    typer.Option(
        "--insert/--replace",
        help="Move what follows to later bars, or write over it (the default, except before bar 1).",
        show_default=False,
        rich_help_panel=_PLACE,
    ),
]
Candidates = Annotated[int, typer.Option("--candidates", metavar="K", help="How many ideas, 1 to 16.")]
Seed = Annotated[
    int | None,
    typer.Option("--seed", metavar="S", help="Makes the ideas repeatable; without it one is drawn and printed."),
]
AdventureOption = Annotated[
    Adventure, typer.Option("--adventure", help="How bold: sets temperature and top-p.", rich_help_panel=_SOUND)
]
Temperature = Annotated[
    float | None,
    typer.Option(
        "--temperature",
        metavar="T",
        help="0.5-0.7 conservative, 0.8-0.9 balanced, 1.0-1.5 adventurous.",
        rich_help_panel=_SOUND,
    ),
]
TopP = Annotated[
    float | None,
    typer.Option(
        "--top-p",
        metavar="P",
        help="Draw only from the likeliest tokens that together reach P.",
        rich_help_panel=_SOUND,
    ),
]
TopK = Annotated[
    int,
    typer.Option(
        "--top-k", metavar="N", help="Draw only from the N likeliest tokens; 0 is no limit.", rich_help_panel=_SOUND
    ),
]
FeelOption = Annotated[
    Feel,
    typer.Option(
        "--feel",
        help="played: as late and as legato as the piece was played; straight: on the grid.",
        rich_help_panel=_SOUND,
    ),
]
KeepRit = Annotated[
    bool,
    typer.Option("--keep-rit", help="Go on in the tempo that a ritardando ends in.", rich_help_panel=_SOUND),
]
Tracks = Annotated[
    str | None,
    typer.Option(
        "--tracks",
        metavar="N[,N]",
        help="Piano track (number or name) for the new notes; two for right and left hand.",
        rich_help_panel=_PLACE,
    ),
]
FirstDownbeat = Annotated[
    str | None,
    typer.Option(
        "--first-downbeat",
        metavar="Q|SECs",
        help="Where the first whole bar begins: quarter notes of the file, or seconds as in 0.52s.",
        rich_help_panel=_PLACE,
    ),
]
GridOption = Annotated[
    GridName,
    typer.Option(
        "--grid",
        help="file: its bars; auto: bars found in the notes of a recording without a metronome.",
        rich_help_panel=_PLACE,
    ),
]
TempoOption = Annotated[
    float | None,
    typer.Option(
        "--tempo",
        metavar="BPM",
        help="Of a recording without a metronome, roughly: quarter notes a minute.",
        rich_help_panel=_PLACE,
    ),
]
MetreOption = Annotated[
    str | None,
    typer.Option(
        "--metre", metavar="N/D", help="Of a recording without a metronome, as in 3/4.", rich_help_panel=_PLACE
    ),
]
ContextBars = Annotated[
    int,
    typer.Option("--context-bars", metavar="N", help="Hear at most N bars before the ideas.", rich_help_panel=_PLACE),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME|PATH",
        help="A model that ships, a checkpoint or a run folder; without it the default model.",
        rich_help_panel=_MODEL,
    ),
]
Style = Annotated[
    Path | None,
    typer.Option(
        "--style",
        metavar="FILE",
        help="A style of your own that `pianomuse tune` wrote for this model.",
        rich_help_panel=_MODEL,
    ),
]
StyleStrength = Annotated[
    float,
    typer.Option(
        "--style-strength",
        metavar="X",
        help="0 is no style, 1 the style as tuned, at most 1.5.",
        rich_help_panel=_MODEL,
    ),
]
DeviceOption = Annotated[Device, typer.Option("--device", help="Where the model runs.", rich_help_panel=_MODEL)]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Folder for the ideas; without it a folder `<name> ideas` beside the piece.",
        rich_help_panel=_MODEL,
    ),
]
Audio = Annotated[
    bool,
    typer.Option("--audio", help="Also write each idea as WAV, with the two bars before it.", rich_help_panel=_MODEL),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.", rich_help_panel=_MODEL)]

FromBar = Annotated[int, typer.Option("--from-bar", metavar="A", help="First bar to write, from 1.")]
ToBar = Annotated[int, typer.Option("--to-bar", metavar="B", help="Last bar to write.")]

_OF_ALL: dict[str, tuple[Any, object]] = {  # name: what it is, default; in the order of the help
    "candidates": (Candidates, 4),
    "seed": (Seed, None),
    "tracks": (Tracks, None),
    "grid": (GridOption, GridName.AUTO),
    "first_downbeat": (FirstDownbeat, None),
    "tempo": (TempoOption, None),
    "metre": (MetreOption, None),
    "context_bars": (ContextBars, 512),
    "adventure": (AdventureOption, Adventure.BALANCED),
    "temperature": (Temperature, None),
    "top_p": (TopP, None),
    "top_k": (TopK, 0),
    "feel": (FeelOption, Feel.PLAYED),
    "keep_rit": (KeepRit, False),
    "key": (limits.Key, None),
    "scale": (limits.Scale, None),
    "chromatic": (limits.ChromaticOption, None),
    "chords": (limits.Chords, None),
    "chords_strict": (limits.ChordsStrict, False),
    "range": (limits.Range, None),
    "notes_per_bar": (limits.NotesPerBar, None),
    "voices": (limits.Voices, None),
    "hand": (limits.HandOption, None),
    "keep": (limits.KeepOption, None),
    "keep_from": (limits.KeepFrom, None),
    "ending": (limits.Ending, None),
    "to": (limits.To, None),
    "model": (Model, None),
    "style": (Style, None),
    "style_strength": (StyleStrength, 1.0),
    "device": (DeviceOption, Device.AUTO),
    "out": (Out, None),
    "audio": (Audio, False),
    "as_json": (AsJson, False),
}


def accepts(*, but: tuple[str, ...] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Put the options of all commands that write ideas in the place of a command's ``**options``.

    Args:
        but: those that it does not have, or has in a way of its own.

    """

    def with_options(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        shared = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for name, (kind, default) in _OF_ALL.items()
            if name not in but
        ]
        command.__signature__ = signature.replace(parameters=[*own, *shared])  # type: ignore[attr-defined]
        return command

    return with_options
