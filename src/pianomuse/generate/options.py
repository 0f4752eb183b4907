"""What may be said beside the place of an idea, and what it means for sampling and feel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypedDict

from pianomuse.checkpoint.style import Style
from pianomuse.errors import RequestError
from pianomuse.generate.sampling import SamplingSettings

ADVENTURE = {"calm": (0.65, 0.9), "balanced": (0.9, 0.95), "bold": (1.15, 0.98)}
"""Temperature and top-p in one word."""


class Options(TypedDict, total=False):
    """What may be said beside the place, for `Muse.complete` and `Muse.fill`."""

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
    first_downbeat: float | None
    """Where the first whole bar begins, in quarter notes, for files whose time signatures do not tell."""


def sampling_of(options: Options) -> SamplingSettings:
    """Return how boldly to draw.

    Raises:
        RequestError: an unknown word for it, or a number out of range.

    """
    adventure = options.get("adventure", "balanced")
    if adventure not in ADVENTURE:
        raise RequestError(f"--adventure {adventure}: choose {', '.join(ADVENTURE)}")
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
        raise RequestError(f"--feel {feel}: choose played or straight")
    return feel == "played"
