"""The vocabulary: every token the model can read or write, printable and fingerprinted.

Tokens are named as in MidiTok, ``Kind_value``. The list starts with padding, the markers of fill-in-the-middle and
the control tokens a composer's wishes become; then come the tokens of the music itself (REMI: Huang & Yang 2020,
"Pop Music Transformer", with MidiTok's names). Time is counted in 24ths of a quarter note everywhere: 32nds and
triplets both fall on that grid exactly.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pianomuse.errors import VocabularyError

GRID = 24
"""Positions per quarter note."""
MAX_DURATION = 12 * GRID
"""Longest note a single token can say, in grid units; longer notes are clipped in the tokens and counted."""
PITCH_RANGE = (21, 108)
"""MIDI pitches of a piano's 88 keys, inclusive."""
N_VELOCITIES = 32
N_TEMPOS = 32
TEMPO_RANGE_BPM = (40.0, 250.0)
METRES: tuple[tuple[int, int], ...] = (
    *((n, 4) for n in range(1, 9)),
    *((n, 8) for n in range(1, 13)),
    *((n, 16) for n in range(1, 13)),
)
"""Metres the tokens can say; n/2 is written as 2n/4 (see docs/decisions/0002-grid.md)."""
MAX_POSITIONS = 8 * GRID
"""Positions in the longest bar (8/4)."""

KEYS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
MAX_BARS_TO_WRITE = 32
N_VOICES = 8
N_DENSITIES = 8

_FORMAT = 1


def velocity_bins() -> NDArray[np.int32]:
    """Return the velocities the tokens can say: int32 [32], ascending, 3 … 127 (MidiTok's bins)."""
    return np.linspace(0, 127, N_VELOCITIES + 1, dtype=np.int32)[1:]


def tempo_bins() -> NDArray[np.float64]:
    """Return the tempos the tokens can say, in quarter notes per minute: float64 [32], logarithmic, 40 … 250."""
    return np.geomspace(*TEMPO_RANGE_BPM, N_TEMPOS).round(2)


def tempo_name(tempo_bpm: float) -> str:
    """Name the tempo bin nearest (as a ratio) to this many quarter notes per minute."""
    bins = tempo_bins()
    return f"Tempo_{bins[np.abs(np.log(bins / max(tempo_bpm, 1e-3))).argmin()]}"


def duration_name(grid_units: int) -> str:
    """Name a duration of ``grid_units`` 24ths of a quarter as MidiTok does: ``quarters.rest.24``."""
    return f"Duration_{grid_units // GRID}.{grid_units % GRID}.{GRID}"


def control_tokens() -> list[str]:
    """List padding, begin, end, the fill markers and the control tokens, in vocabulary order."""
    return [
        "PAD_None", "BOS_None", "EOS_None",
        "Fill_Prefix", "Fill_Suffix", "Fill_Given", "Fill_Middle",
        *(f"Task_{task}" for task in ("Continue", "Fill", "Hand", "Melody", "Accompany")),
        "Dynamics_Known", "Dynamics_Unknown",
        *(f"Key_{key}" for key in KEYS), *(f"Key_{key}m" for key in KEYS), "Key_Unknown",
        "Hand_Both", "Hand_Right", "Hand_Left",
        *(f"Voices_{n}" for n in range(1, N_VOICES + 1)),
        *(f"Density_{n}" for n in range(N_DENSITIES)),
        *(f"Ending_{kind}" for kind in ("Open", "Half", "Close", "Final")),
        *(f"Bars_{n}" for n in range(1, MAX_BARS_TO_WRITE + 1)),
    ]  # fmt: skip


def music_tokens() -> list[str]:
    """List the tokens of the music itself, in vocabulary order."""
    return [
        "Bar_None",
        *(f"TimeSig_{numerator}/{denominator}" for numerator, denominator in METRES),
        *(f"Tempo_{tempo}" for tempo in tempo_bins()),
        *(f"Position_{position}" for position in range(MAX_POSITIONS)),
        "Pedal_0", "PedalOff_0",
        *(f"Pitch_{pitch}" for pitch in range(PITCH_RANGE[0], PITCH_RANGE[1] + 1)),
        *(f"Velocity_{velocity}" for velocity in velocity_bins()),
        *(duration_name(units) for units in range(1, MAX_DURATION + 1)),
    ]  # fmt: skip


@dataclass(frozen=True)
class Vocabulary:
    """An ordered list of tokens; a token's id is its place in the list.

    Args:
        tokens: token names, all different, ``Kind_value``.

    """

    tokens: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of tokens."""
        return len(self.tokens)

    @cached_property
    def ids(self) -> dict[str, int]:
        """Map token names to ids."""
        return {token: index for index, token in enumerate(self.tokens)}

    @cached_property
    def fingerprint(self) -> str:
        """Identify the vocabulary: SHA-256 over its tokens in order, first 16 hexadecimal digits."""
        return hashlib.sha256("\n".join(self.tokens).encode()).hexdigest()[:16]

    def id(self, token: str) -> int:
        """Return the id of a token name; raise VocabularyError for an unknown one."""
        try:
            return self.ids[token]
        except KeyError:
            raise VocabularyError(f"the vocabulary has no token {token!r}; `pianomuse vocab` lists all") from None

    def token(self, index: int) -> str:
        """Return the name of the token with this id; raise VocabularyError when there is none."""
        if not 0 <= index < len(self.tokens):
            raise VocabularyError(f"token id {index} is outside the vocabulary (0 … {len(self.tokens) - 1})")
        return self.tokens[index]

    def kind(self, index: int) -> str:
        """Return the kind of the token with this id, for example ``Pitch``."""
        return self.token(index).split("_", 1)[0]

    @cached_property
    def kinds(self) -> NDArray[np.str_]:
        """Return the kind of every token: str [V]."""
        return np.array([token.split("_", 1)[0] for token in self.tokens])

    def ids_of(self, kind: str) -> NDArray[np.int32]:
        """Return the ids of all tokens of a kind, ascending: int32 [n]."""
        return np.flatnonzero(self.kinds == kind).astype(np.int32)

    @cached_property
    def values(self) -> NDArray[np.int32]:
        """Return the number each token says: int32 [V], −1 where it says none.

        Position and Duration in grid units, Pitch and Velocity in MIDI values, Voices, Density and Bars as they are.
        """
        return np.array([_value(token) for token in self.tokens], dtype=np.int32)

    def to_json(self) -> dict[str, object]:
        """Return what is saved beside data and weights."""
        return {"format": _FORMAT, "fingerprint": self.fingerprint, "tokens": list(self.tokens)}

    @classmethod
    def from_json(cls, document: object) -> Vocabulary:
        """Read what `to_json` wrote; raise VocabularyError when it is damaged."""
        if not isinstance(document, dict) or document.get("format") != _FORMAT:
            raise VocabularyError("the saved vocabulary is not of format 1; prepare the data again with this version")
        tokens = document.get("tokens")
        if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
            raise VocabularyError("the saved vocabulary has no list of tokens; the file is damaged")
        vocabulary = cls(tuple(tokens))
        if len(vocabulary.ids) != len(tokens) or document.get("fingerprint") != vocabulary.fingerprint:
            raise VocabularyError("the saved vocabulary does not match its fingerprint; the file is damaged")
        return vocabulary


def _value(token: str) -> int:
    kind, text = token.split("_", 1)
    if kind == "Duration":
        quarters, rest, resolution = (int(part) for part in text.split("."))
        return quarters * resolution + rest
    if kind in {"Position", "Pitch", "Velocity", "Voices", "Density", "Bars"}:
        return int(text)
    return -1


def piano_vocabulary() -> Vocabulary:
    """Return the vocabulary of PianoMuse.

    >>> vocabulary = piano_vocabulary()
    >>> vocabulary.token(vocabulary.id("Pitch_60"))
    'Pitch_60'
    """
    return Vocabulary(tuple(control_tokens() + music_tokens()))


def require_same(found: str, expected: str, what: str) -> None:
    """Raise VocabularyError unless two fingerprints are equal; ``what`` names the thing that carries ``found``."""
    if found != expected:
        raise VocabularyError(
            f"{what} was made with vocabulary {found}, this version uses {expected}; "
            "run `pianomuse prepare` again for data, or choose weights of this version"
        )


def dump_json(vocabulary: Vocabulary) -> str:
    """Write the vocabulary as JSON text, one token a line."""
    return json.dumps(vocabulary.to_json(), indent=0, ensure_ascii=False)
