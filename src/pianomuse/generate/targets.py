"""Places that the new bars lead to, read from words: ``bar 12: Am/E, melody C5; bar 14 beat 3: bass G2``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pianomuse.errors import RequestError
from pianomuse.generate.harmony import Chord, parse_chord, parse_pitch

_PLACE = re.compile(r"bar\s+(\d{1,5})(?:\s+beat\s+(\d{1,2}(?:\.\d{1,3})?))?\s*:\s*(\S.*)", re.IGNORECASE)
_VOICE = re.compile(r"(melody|bass)\s+(\S+)", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """What is to stand at one place.

    Args:
        bar: number of the bar, from 1.
        beat: in it, from 1.
        chord: from there on in the bar; None leaves the harmony free.
        melody: MIDI pitch of the highest note there; −1 leaves it free.
        bass: MIDI pitch of the lowest; −1 leaves it free.

    """

    bar: int
    beat: float = 1.0
    chord: Chord | None = None
    melody: int = -1
    bass: int = -1

    @property
    def place(self) -> str:
        """The place in words."""
        return f"bar {self.bar}" + (f" beat {self.beat:g}" if self.beat != 1 else "")


def read_targets(text: str) -> tuple[Target, ...]:
    """Read targets, with ``;`` between the places.

    Raises:
        RequestError: something that cannot be read.

    >>> targets = read_targets("bar 12: Am/E, melody C5; bar 13: bass G2")
    >>> [(target.bar, target.melody, target.bass) for target in targets]
    [(12, 72, -1), (13, -1, 43)]
    """
    targets = tuple(_target(part.strip()) for part in text.strip().strip(";").split(";"))
    places = [(target.bar, target.beat) for target in targets]
    if len(set(places)) < len(places):
        raise RequestError(
            f"--to {text}: one place is named twice; say all of it at once, with commas", "target_twice", target=text
        )
    return tuple(sorted(targets, key=lambda target: (target.bar, target.beat)))


def _target(text: str) -> Target:
    found = _PLACE.fullmatch(text)
    if found is None:
        raise RequestError(
            f'--to {text}: say where and what, like "bar 12: Am/E, melody C5" or "bar 12 beat 3: bass G2"',
            "target_unreadable",
            target=text,
        )
    chord: Chord | None = None
    voices = {"melody": -1, "bass": -1}
    for word in (part.strip() for part in found[3].split(",")):
        voice = _VOICE.fullmatch(word)
        try:
            if voice is not None:
                voices[voice[1].lower()] = parse_pitch(voice[2])
            elif chord is None:
                chord = parse_chord(word)
            else:
                raise RequestError(
                    f"two chords at one place: {chord.symbol} and {word}", "two_chords", first=chord.symbol, second=word
                )
        except RequestError as error:
            why = str(error).split(": ", 1)[-1]
            raise RequestError(f"--to {text}: {why}", "target_wrong", target=text, why=error.sentence) from None
    beat = float(found[2] or 1)
    return Target(int(found[1]), beat, chord, voices["melody"], voices["bass"])
