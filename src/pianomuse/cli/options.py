"""The options of the commands that write ideas."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Adventure(StrEnum):
    """How bold ideas are."""

    CALM = "calm"
    BALANCED = "balanced"
    BOLD = "bold"


class Device(StrEnum):
    """Where the model runs."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    NPU = "npu"
    MPS = "mps"


class Feel(StrEnum):
    """How new notes lie against the grid."""

    PLAYED = "played"
    STRAIGHT = "straight"


class HandName(StrEnum):
    """One of two."""

    LEFT = "left"
    RIGHT = "right"


class KeepOfBars(StrEnum):
    """What stays of bars that are varied."""

    RHYTHM = "rhythm"
    HARMONY = "harmony"


class EndingName(StrEnum):
    """How a phrase ends."""

    OPEN = "open"
    HALF = "half"
    CLOSE = "close"
    FINAL = "final"


class Chromatic(StrEnum):
    """Which notes may leave the key."""

    PASSING = "passing"


class Keep(StrEnum):
    """What is kept of the composer's bars."""

    RHYTHM = "rhythm"
    PITCHES = "pitches"


class YesNo(StrEnum):
    """A plain answer."""

    YES = "yes"
    NO = "no"


_SOUND = "How it sounds"
_PLACE = "Where it goes"
_LIMITS = "Limits that hold (for all new bars, or bar by bar: A | B | C)"
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
    float | None,
    typer.Option(
        "--first-downbeat",
        metavar="Q",
        help="Where the first whole bar begins, in quarter notes, if the file's time signatures do not tell.",
        rich_help_panel=_PLACE,
    ),
]
ContextBars = Annotated[
    int,
    typer.Option("--context-bars", metavar="N", help="Hear at most N bars before the ideas.", rich_help_panel=_PLACE),
]
Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="KEY",
        help="Only notes of this key: C, Am, F# minor; minor has both sixths and sevenths.",
        rich_help_panel=_LIMITS,
    ),
]
Scale = Annotated[
    str | None,
    typer.Option(
        "--scale",
        metavar="SCALE",
        help='Only notes of this scale: "D dorian", "A blues", "C D E G A".',
        rich_help_panel=_LIMITS,
    ),
]
ChromaticOption = Annotated[
    Chromatic | None,
    typer.Option(
        "--chromatic",
        help="passing: semitone steps off the beat may leave the key.",
        show_default=False,
        rich_help_panel=_LIMITS,
    ),
]
Chords = Annotated[
    str | None,
    typer.Option(
        "--chords",
        metavar="CHORDS",
        help='The harmony: "Am | F C/E | G7 |"; its first bass note and every note on a beat belong to the chord.',
        rich_help_panel=_LIMITS,
    ),
]
ChordsStrict = Annotated[
    bool,
    typer.Option("--chords-strict", help="Only chord tones, no notes between them.", rich_help_panel=_LIMITS),
]
Range = Annotated[
    str | None,
    typer.Option("--range", metavar="LOW-HIGH", help="Lowest and highest note: C3-E5.", rich_help_panel=_LIMITS),
]
NotesPerBar = Annotated[
    str | None,
    typer.Option(
        "--notes-per-bar",
        metavar="N[-N]",
        help="How many notes are struck in a bar: 6, 4-8, or 4- for no most.",
        rich_help_panel=_LIMITS,
    ),
]
Voices = Annotated[
    str | None,
    typer.Option(
        "--voices",
        metavar="N[-N]",
        help="How many notes sound at once when one is struck: 1, 2-4.",
        rich_help_panel=_LIMITS,
    ),
]
HandOption = Annotated[
    HandName | None,
    typer.Option(
        "--hand",
        help="Write this hand only; what the other plays stays, and the new notes do not cross it.",
        show_default=False,
        rich_help_panel=_LIMITS,
    ),
]
KeepOption = Annotated[
    Keep | None,
    typer.Option(
        "--keep",
        help="Keep the rhythm, or the pitches, of the bars written over; where nothing is, of those before.",
        show_default=False,
        rich_help_panel=_LIMITS,
    ),
]
KeepFrom = Annotated[
    int | None,
    typer.Option(
        "--keep-from", metavar="BAR", help="Keep those of this bar and the next ones.", rich_help_panel=_LIMITS
    ),
]
Ending = Annotated[
    EndingName | None,
    typer.Option(
        "--ending",
        help="open: not on the tonic; half: on the dominant; close: on the tonic after it; final: and nothing more.",
        show_default=False,
        rich_help_panel=_LIMITS,
    ),
]
To = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="WHERE: WHAT",
        help='What the new bars lead to: "bar 12: Am/E, melody C5; bar 14 beat 3: bass G2".',
        rich_help_panel=_LIMITS,
    ),
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


def track_words(tracks: str | None) -> tuple[str, ...]:
    """Split what was given to --tracks."""
    return tuple(word.strip() for word in tracks.split(",") if word.strip()) if tracks else ()
