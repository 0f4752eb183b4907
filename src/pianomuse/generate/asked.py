"""What a composer asks to hold, read from words: for all new bars, or bar by bar with | between the bars."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from pianomuse.errors import RequestError
from pianomuse.generate.harmony import Chord, Scale, parse_chord, parse_key, parse_pitch, parse_scale
from pianomuse.generate.targets import Target, read_targets
from pianomuse.tokens.vocabulary import PITCH_RANGE

ENDINGS = ("open", "half", "close", "final")
FREE = "free"
"""A bar that a limit leaves alone."""
_SAME_BAR, _SAME_CHORD = "%", "."
_NO_CHORD = ("N.C.", "NC")
_DASH = r"\s*[-–]\s*"

Bounds = tuple[int, int | None]
"""Least and most; None for no most."""
Beats = tuple[Chord | None, ...]
"""The chords of a bar; where there is one for each beat, None goes on with the one before."""
ValueT = TypeVar("ValueT")


@dataclass(frozen=True)
class Asked:
    """Limits as a composer asked for them; each has one entry for all bars or one per bar, None where it is free.

    Args:
        key: major or minor keys.
        scale: any other scales.
        has_passing_notes: semitone steps on weak positions may leave the key.
        chords: the chords of each bar.
        is_strict: only chord tones, nothing between them.
        pitch_range: lowest and highest MIDI pitch.
        notes_per_bar: least and most notes struck in a bar.
        voices: least and most notes sounding at once, whenever one is struck.
        hand: ``left`` or ``right``: only this hand is written, under or over what the other plays; empty: no limit.
        keep: ``rhythm``, ``contour`` or ``pitches``: kept from the bars there; empty: neither.
        keep_from: bar, from 1, from which on they are taken; None: those written over, else the last ones.
        ending: ``open``, ``half``, ``close`` or ``final``; empty: as it comes.
        targets: what the new bars lead to.
        said: what was said, by the name of its option on the command line.

    """

    key: tuple[Scale | None, ...] = ()
    scale: tuple[Scale | None, ...] = ()
    has_passing_notes: bool = False
    chords: tuple[Beats | None, ...] = ()
    is_strict: bool = False
    pitch_range: tuple[tuple[int, int] | None, ...] = ()
    notes_per_bar: tuple[Bounds | None, ...] = ()
    voices: tuple[Bounds | None, ...] = ()
    hand: str = ""
    keep: str = ""
    keep_from: int | None = None
    ending: str = ""
    targets: tuple[Target, ...] = ()
    said: dict[str, str] = field(default_factory=dict)


def read_asked(
    *,
    key: str | None = None,
    scale: str | None = None,
    chromatic: str | None = None,
    chords: str | None = None,
    chords_strict: bool = False,
    range: str | None = None,
    notes_per_bar: str | int | None = None,
    voices: str | int | None = None,
    hand: str | None = None,
    keep: str | None = None,
    keep_from: int | None = None,
    ending: str | None = None,
    to: str | None = None,
) -> Asked:
    """Read limits as they are said on the command line and in Python.

    Raises:
        RequestError: something that cannot be read, by its option.

    >>> read_asked(chords="Am | F", notes_per_bar="4-8").notes_per_bar
    ((4, 8),)
    """
    words = {
        "key": key, "scale": scale, "chromatic": chromatic, "chords": chords, "range": range,
        "notes-per-bar": notes_per_bar, "voices": voices, "hand": hand, "keep": keep, "keep-from": keep_from,
        "ending": ending, "to": to,
    }  # fmt: skip
    said = {name: str(word).strip() for name, word in words.items() if word is not None}
    if chords_strict:
        said["chords-strict"] = "yes"
    _check_words(said)
    return Asked(
        key=_bars("key", said, parse_key),
        scale=_bars("scale", said, parse_scale),
        has_passing_notes="chromatic" in said,
        chords=_bars("chords", said, _beats, free=_NO_CHORD),
        is_strict=chords_strict,
        pitch_range=_bars("range", said, _pitch_range),
        notes_per_bar=_bars("notes-per-bar", said, lambda text: _bounds("notes-per-bar", text, 0)),
        voices=_bars("voices", said, lambda text: _bounds("voices", text, 1)),
        hand=said.get("hand", ""),
        keep=said.get("keep", ""),
        keep_from=keep_from,
        ending=said.get("ending", ""),
        targets=read_targets(said["to"]) if "to" in said else (),
        said=said,
    )


def of_bar(values: tuple[ValueT | None, ...], bar: int, n_bars: int, *, finishes_bar: bool) -> ValueT | None:
    """Return what holds in a bar.

    One value holds in all bars; a list begins with the first whole bar, or with the one that is finished if it has
    one value more than there are whole bars, and starts again where it ends.
    """
    if len(values) <= 1:
        return values[0] if values else None
    if finishes_bar and len(values) < n_bars:
        bar -= 1
    return values[bar % len(values)] if bar >= 0 else None


def require_fitting_lists(asked: Asked, n_bars: int) -> None:
    """Refuse lists that are longer than the bars to be written, a finished one counted.

    Raises:
        RequestError: a list is longer.

    """
    lists = {
        "key": asked.key, "scale": asked.scale, "chords": asked.chords, "range": asked.pitch_range,
        "notes-per-bar": asked.notes_per_bar, "voices": asked.voices,
    }  # fmt: skip
    for name, values in lists.items():
        if len(values) > max(n_bars, 1):
            raise RequestError(
                f"--{name} {asked.said.get(name, '')}: {len(values)} bars, but {n_bars} are written; "
                "leave some out or write more bars",
                "list_too_long",
                limit=name,
                value=asked.said.get(name, ""),
                values=len(values),
                bars=n_bars,
            )


def _check_words(said: dict[str, str]) -> None:
    choices = {
        "chromatic": ("passing",),
        "hand": ("left", "right"),
        "keep": ("rhythm", "contour", "pitches"),
        "ending": ENDINGS,
    }
    for name, known in choices.items():
        if said.get(name, known[0]) not in known:
            raise RequestError(
                f"--{name} {said[name]}: choose {' or '.join(known)}",
                "limit_unknown",
                limit=name,
                value=said[name],
                choices=list(known),
            )
    needs = {"chromatic": ("key", "scale"), "chords-strict": ("chords",), "keep-from": ("keep",)}
    for name, others in needs.items():
        if name in said and not any(other in said for other in others):
            raise RequestError(
                f"--{name} says nothing without {' or '.join(f'--{other}' for other in others)}",
                "limit_needs",
                limit=name,
                others=list(others),
            )


def _bars(
    name: str, said: dict[str, str], read: Callable[[str], ValueT], *, free: tuple[str, ...] = ()
) -> tuple[ValueT | None, ...]:
    """Read one value per bar; outer bar lines may be there or not."""
    if name not in said:
        return ()
    texts = [text.strip() for text in said[name].removeprefix("|").removesuffix("|").split("|")]
    values: list[ValueT | None] = []
    for number, text in enumerate(texts, 1):
        if not text or (text == _SAME_BAR and not values):
            where = f"bar {number} of it is empty" if len(texts) > 1 else "it is empty"
            raise RequestError(
                f"--{name} {said[name]}: {where}; say `{FREE}` for a bar without this limit",
                "limit_bar_empty",
                limit=name,
                value=said[name],
                bar=number,
            )
        if text == _SAME_BAR:
            values.append(values[-1])
        else:
            values.append(None if text == FREE or text in free else read(text))
    return tuple(values)


def _beats(text: str) -> Beats:
    words = text.split()
    if words[0] == _SAME_CHORD:
        raise RequestError(
            f"--chords: the bar {text} begins with a dot; a dot goes on with the chord before it",
            "chords_begin_with_dot",
            bar=text,
        )
    return tuple(None if word == _SAME_CHORD else parse_chord(word) for word in words)


def _pitch_range(text: str) -> tuple[int, int]:
    ends = re.split(_DASH, text)
    if len(ends) != 2 or not any(ends):
        raise RequestError(
            f"--range {text}: write the lowest and the highest note, like C3-E5", "range_unreadable", value=text
        )
    low, high = (parse_pitch(end) if end else edge for end, edge in zip(ends, PITCH_RANGE, strict=True))
    if not PITCH_RANGE[0] <= low <= high <= PITCH_RANGE[1]:
        raise RequestError(
            f"--range {text}: the piano goes from A0 to C8, the lowest note comes first, like C3-E5",
            "range_outside_piano",
            value=text,
        )
    return low, high


def _bounds(name: str, text: str, least: int) -> Bounds:
    found = re.fullmatch(rf"(\d{{1,3}})(?:({_DASH})(\d{{1,3}})?)?", text)
    if found is None:
        raise RequestError(
            f"--{name} {text}: write a number, or the least and the most, like 2-6 (2- for no most)",
            "bounds_unreadable",
            limit=name,
            value=text,
        )
    low = int(found[1])
    high = int(found[3]) if found[3] else None if found[2] else low
    if high is not None and high < max(low, least):
        raise RequestError(
            f"--{name} {text}: the most is {high}; it must be {max(low, least)} or more",
            "bounds_reversed",
            limit=name,
            value=text,
            least=max(low, least),
        )
    return low, high
