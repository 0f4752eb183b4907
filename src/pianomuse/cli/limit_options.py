"""The options that say what every note of an idea has to keep to."""

from __future__ import annotations

from typing import Annotated

import typer

from pianomuse.cli.choices import Chromatic, EndingName, HandName, Keep

_LIMITS = "Limits that hold (for all new bars, or bar by bar: A | B | C)"

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
        help="Keep the rhythm, the contour or the pitches of the bars written over; where nothing is, of those before.",
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
