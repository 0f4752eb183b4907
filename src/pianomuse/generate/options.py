"""What may be said beside the place of an idea, and what it means for sampling and feel."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypedDict

from pianomuse.checkpoint.style import Style
from pianomuse.errors import RequestError
from pianomuse.generate.asked import Asked, read_asked
from pianomuse.generate.compose import Order
from pianomuse.generate.prompt import DEFAULT_CONTEXT_BARS
from pianomuse.generate.sampling import SamplingSettings

ADVENTURE = {"calm": (0.65, 0.9), "balanced": (0.9, 0.95), "bold": (1.15, 0.98)}
"""Temperature and top-p in one word."""

GRID_OPTIONS = ("first_downbeat", "grid", "tempo", "metre")

_SEEDS = 10_000  # a drawn seed is short enough to type again


class Options(TypedDict, total=False):
    """What may be said beside the place of ideas."""

    candidates: int
    """How many ideas, 1 … 16; default 4."""
    seed: int | None
    """Makes the ideas repeatable; None draws one and reports it."""
    adventure: Literal["calm", "balanced", "bold"]
    """How bold; default balanced."""
    temperature: float | None
    """In place of the one `adventure` means."""
    top_p: float | None
    """In place of the one `adventure` means."""
    top_k: int
    """Only this many likeliest tokens are drawn from; 0, the default, is no limit."""
    keep_rit: bool
    """Go on in the tempo a ritardando ends in."""
    tracks: Sequence[str]
    """Tracks that receive new notes, by number (piano tracks from 1) or name: one, or two for right and left."""
    feel: Literal["played", "straight"]
    """Whether new notes are as late and as legato as the context was played; default played."""
    context_bars: int
    """Bars before the ideas that are heard at most; default 512."""
    style: str | Path | Style | None
    """A style file that `pianomuse tune` wrote for this model."""
    style_strength: float
    """0 is no style, 1 (the default) the style as tuned, at most 1.5."""
    first_downbeat: float | str | None
    """Where the first whole bar begins, in quarter notes of the file or, as in ``0.52s``, in seconds."""
    grid: Literal["auto", "file"]
    """Whose bars count: the file's, or, by default, bars found in the notes where the file's plainly do not fit."""
    tempo: float | None
    """Roughly the tempo of a recording whose bars are found in its notes, quarter notes a minute."""
    metre: str | None
    """The metre of such a recording, such as ``3/4``."""
    key: str | None
    """Only notes of this key, such as ``Am``; every limit may be said bar by bar, with | between the bars."""
    scale: str | None
    """Only notes of this scale, such as ``D dorian`` or ``C D E G A``."""
    chromatic: Literal["passing"] | None
    """Semitone steps off the beat may leave the key."""
    chords: str | None
    """The chords of the new bars, such as ``Am | F C/E | G7``."""
    chords_strict: bool
    """Only chord tones, nothing between them."""
    range: str | None
    """Lowest and highest note, such as ``C3-E5``."""
    notes_per_bar: str | int | None
    """How many notes are struck in a bar, such as ``4-8``."""
    voices: str | int | None
    """How many notes sound at once, such as ``1-3``."""
    hand: Literal["left", "right"] | None
    """Only this hand is written; what the other plays there stays. Without a bar: behind its last one."""
    keep: Literal["rhythm", "contour", "pitches", "harmony"] | None
    """What is kept of the bars that are written over or, where nothing is, of those before; harmony only by `vary`."""
    keep_from: int | None
    """The bar, from 1, from which on it is kept."""
    ending: Literal["open", "half", "close", "final"] | None
    """How the phrase ends: not on the tonic, on the dominant, on the tonic after the dominant, or so and over."""
    to: str | None
    """Notes and chords that stand in the new bars, such as ``bar 12: Am/E, melody C5``."""


def order_of(options: Options, *, is_fill: bool, note: str = "", first_downbeat_ticks: int | None = None) -> Order:
    """Return what is asked for; where no seed is given, one is drawn.

    Raises:
        TypeError: an option that is none.
        RequestError: an option out of range, or one that holds for a whole session and comes too late.

    """
    check_names(options)
    for name in ("style", *GRID_OPTIONS):
        if options.get(name) is not None:
            raise RequestError(
                f"{name} holds for a whole session: give it to `Muse.session`", "option_of_session", name=name
            )
    if options.get("style_strength", 1.0) != 1:
        raise RequestError(
            f"--style-strength {options['style_strength']:g}: name the style too, with --style FILE",
            "strength_without_style",
            value=options["style_strength"],
        )
    seed = options.get("seed")
    return Order(
        n_ideas=options.get("candidates", 4),
        seed=secrets.randbelow(_SEEDS) if seed is None else seed,
        sampling=sampling_of(options),
        is_fill=is_fill,
        keep_ritardando=options.get("keep_rit", False),
        tracks=tuple(options.get("tracks", ())),
        has_feel=has_feel(options),
        context_bars=options.get("context_bars", DEFAULT_CONTEXT_BARS),
        first_downbeat_ticks=first_downbeat_ticks,
        note=note,
        asked=asked_of(options),
    )


def check_names(options: Options) -> None:
    """Raise TypeError for an option that is none."""
    unknown = sorted(options.keys() - Options.__annotations__.keys())
    if unknown:
        raise TypeError(f"unknown option {unknown[0]!r}; there are {', '.join(Options.__annotations__)}")


def sampling_of(options: Options) -> SamplingSettings:
    """Return how boldly to draw.

    Raises:
        RequestError: an unknown word for it, or a number out of range.

    """
    adventure = options.get("adventure", "balanced")
    if adventure not in ADVENTURE:
        raise RequestError(
            f"--adventure {adventure}: choose {', '.join(ADVENTURE)}",
            "adventure_unknown",
            value=adventure,
            choices=list(ADVENTURE),
        )
    temperature, top_p = ADVENTURE[adventure]
    wanted, wanted_p = options.get("temperature"), options.get("top_p")
    return SamplingSettings(
        temperature=temperature if wanted is None else wanted,
        top_p=top_p if wanted_p is None else wanted_p,
        top_k=options.get("top_k", 0),
    )


def has_feel(options: Options) -> bool:
    """Say whether new notes are to be as late and as legato as the context.

    Raises:
        RequestError: an unknown word for it.

    """
    feel = options.get("feel", "played")
    if feel not in ("played", "straight"):
        raise RequestError(f"--feel {feel}: choose played or straight", "feel_unknown", value=feel)
    return feel == "played"


def asked_of(options: Options) -> Asked:
    """Return the limits that are to hold.

    Raises:
        RequestError: one that cannot be read.

    """
    return read_asked(
        key=options.get("key"),
        scale=options.get("scale"),
        chromatic=options.get("chromatic"),
        chords=options.get("chords"),
        chords_strict=options.get("chords_strict", False),
        range=options.get("range"),
        notes_per_bar=options.get("notes_per_bar"),
        voices=options.get("voices"),
        hand=options.get("hand"),
        keep=options.get("keep"),
        keep_from=options.get("keep_from"),
        ending=options.get("ending"),
        to=options.get("to"),
    )
