"""Keys, scales and chord symbols as a musician writes them, read as pitch classes (C is 0).

Whatever is not understood is refused by name, never guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pianomuse.errors import RequestError

_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_NOTE = r"([A-Ga-g])([#b♯♭]{0,2})"
_SHIFT = {"#": 1, "♯": 1, "b": -1, "♭": -1}

CHORD_TONES: dict[str, tuple[int, ...]] = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
    "m7b5": (0, 3, 6, 10),
    "dim7": (0, 3, 6, 9),
    "sus4": (0, 5, 7),
    "sus2": (0, 2, 7),
    "6": (0, 4, 7, 9),
    "9": (0, 2, 4, 7, 10),
}
"""Semitones above the root, by the end of the symbol."""
_OTHER_SPELLINGS = {
    "maj": "", "M": "", "min": "m", "-": "m", "M7": "maj7", "Δ": "maj7", "Δ7": "maj7", "min7": "m7", "-7": "m7",
    "°": "dim", "o": "dim", "+": "aug", "ø": "m7b5", "ø7": "m7b5", "°7": "dim7", "o7": "dim7", "sus": "sus4",
}  # fmt: skip

SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 9, 10, 11),
    "natural minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "melodic minor": (0, 2, 3, 5, 7, 9, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "locrian": (0, 1, 3, 5, 6, 8, 10),
    "pentatonic": (0, 2, 4, 7, 9),
    "minor pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "whole tone": (0, 2, 4, 6, 8, 10),
}
"""Semitones above the tonic, by name; minor has both forms of its sixth and seventh degree."""


@dataclass(frozen=True)
class Scale:
    """The notes a key or a scale allows.

    Args:
        name: as it was said.
        tones: pitch classes.
        key_index: 0 … 11 for major keys on C … B, 12 … 23 for minor ones; None for any other scale.

    """

    name: str
    tones: frozenset[int]
    key_index: int | None = None


@dataclass(frozen=True)
class Chord:
    """A chord symbol.

    Args:
        symbol: as it was said.
        tones: pitch classes, the bass among them.
        bass: pitch class of the first bass note: the root, or the note after the slash.

    """

    symbol: str
    tones: frozenset[int]
    bass: int


def parse_key(text: str) -> Scale:
    """Read a major or minor key.

    Raises:
        RequestError: it is none.

    >>> parse_key("Am").key_index, sorted(parse_key("E♭ major").tones)
    (21, [0, 2, 3, 5, 7, 8, 10])
    """
    found = re.fullmatch(_NOTE + r"\s*(m|minor|min|moll|major|maj|dur)?", text.strip())
    if found is None:
        raise RequestError(
            f"--key {text}: no major or minor key; write C, Am, F# minor or B♭ major", "key_unknown", value=text
        )
    tonic = _pitch_class(found[1], found[2])
    is_minor = found[3] in ("m", "minor", "min", "moll") or (found[3] is None and found[1].islower())
    tones = _above(tonic, SCALES["minor" if is_minor else "major"])
    return Scale(text.strip(), tones, tonic + 12 * is_minor)


def parse_scale(text: str) -> Scale:
    """Read a scale by its tonic and name, or by its notes.

    Raises:
        RequestError: it is none.

    >>> sorted(parse_scale("D dorian").tones) == sorted(parse_scale("C D E F G A B").tones)
    True
    """
    said = " ".join(text.split())
    notes = re.fullmatch(rf"{_NOTE}(?: {_NOTE})+", said)
    if notes:
        return Scale(said, frozenset(_pitch_class(word[0], word[1:]) for word in said.split()))
    named = re.fullmatch(rf"{_NOTE} (.+)", said)
    name = named[3].lower() if named else ""
    if named is None or name not in SCALES:
        raise RequestError(
            f"--scale {text}: no such scale; write a note and one of {', '.join(SCALES)}, or its notes, like C D E G A",
            "scale_unknown",
            value=text,
            scales=list(SCALES),
        )
    return Scale(said, _above(_pitch_class(named[1], named[2]), SCALES[name]))


def parse_chord(symbol: str) -> Chord:
    """Read a chord symbol.

    Raises:
        RequestError: it is none of those that are known.

    >>> chord = parse_chord("C/E")
    >>> sorted(chord.tones), chord.bass
    ([0, 4, 7], 4)
    """
    found = re.fullmatch(r"([A-G])([#b♯♭]?)([^/]*)(?:/([A-G])([#b♯♭]?))?", symbol.strip())
    quality = found[3].replace("♭", "b") if found else ""
    quality = _OTHER_SPELLINGS.get(quality, quality)
    if found is None or quality not in CHORD_TONES:
        known = [f"C{kind}" for kind in CHORD_TONES if kind]
        raise RequestError(
            f"--chords: {symbol} is no chord known here; there are major and {', '.join(known)}, with or without /bass",
            "chord_unknown",
            value=symbol,
            known=known,
        )
    root = _pitch_class(found[1], found[2])
    bass = _pitch_class(found[4], found[5]) if found[4] else root
    return Chord(symbol.strip(), _above(root, CHORD_TONES[quality]) | {bass}, bass)


def parse_pitch(text: str) -> int:
    """Read a note with its octave, middle C being C4, or a MIDI number.

    Raises:
        RequestError: it is none.

    >>> parse_pitch("C4"), parse_pitch("B♭2"), parse_pitch("60")
    (60, 46, 60)
    """
    said = text.strip()
    if re.fullmatch(r"\d{1,3}", said):
        return int(said)
    found = re.fullmatch(_NOTE + r"(-?\d)", said)
    if found is None:
        raise RequestError(
            f"--range: {text} is no note; write C3, F#4 or B♭2 (middle C is C4)", "note_unknown", value=text
        )
    return _LETTERS[found[1].upper()] + _shift(found[2]) + 12 * (int(found[3]) + 1)


def _pitch_class(letter: str, accidentals: str) -> int:
    return (_LETTERS[letter.upper()] + _shift(accidentals)) % 12


def _shift(accidentals: str) -> int:
    return sum(_SHIFT[sign] for sign in accidentals)


def _above(tonic: int, steps: tuple[int, ...]) -> frozenset[int]:
    return frozenset((tonic + step) % 12 for step in steps)
