"""Which token may follow which: the sampler's first mask and the tests' checker.

The music of an idea is ``(Bar TimeSig (Position (Tempo | PedalOff | Pedal | Pitch Velocity Duration)+)*)+ EOS``:
positions ascend within a bar and stay inside it, pitches ascend within a position and none is struck twice there,
pedals alternate. `Grammar` is that sentence as a small state machine over ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pianomuse.tokens.quantise import bar_length
from pianomuse.tokens.vocabulary import Vocabulary


@dataclass(frozen=True)
class Place:
    """Where a stream of music tokens stands.

    Args:
        kind: kind of the last token; ``""`` before the first.
        position: position in the bar of the last Position token, −1 at its start.
        bar_units: length of the bar in grid units, 0 while unknown.
        pitch: last pitch struck at this position, −1 if none.
        pedal: the sustain pedal is down.
        n_events: events since the last Position token.

    """

    kind: str = ""
    position: int = -1
    bar_units: int = 0
    pitch: int = -1
    pedal: bool = False
    n_events: int = 0


class Grammar:
    """The grammar of music tokens over one vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._kinds = [str(kind) for kind in vocabulary.kinds]
        self._values = vocabulary.values.tolist()
        self._of = {kind: np.asarray(vocabulary.kinds == kind) for kind in set(self._kinds)}
        self._position_value = np.where(self._of["Position"], vocabulary.values, -1)
        self._pitch_value = np.where(self._of["Pitch"], vocabulary.values, -1)
        self._bar_units = {
            index: bar_length(*(int(n) for n in vocabulary.token(int(index)).removeprefix("TimeSig_").split("/")))
            for index in vocabulary.ids_of("TimeSig")
        }

    def advance(self, place: Place, token: int) -> Place:
        """Return the place after one more token; legality is `allowed`'s business."""
        kind = self._kinds[token]
        if kind == "Bar":
            return Place(kind, pedal=place.pedal)
        if kind == "TimeSig":
            return replace(place, kind=kind, bar_units=self._bar_units[token])
        if kind == "Position":
            return replace(place, kind=kind, position=self._values[token], pitch=-1, n_events=0)
        if kind == "Pitch":
            return replace(place, kind=kind, pitch=self._values[token], n_events=place.n_events + 1)
        if kind in ("Pedal", "PedalOff"):
            return replace(place, kind=kind, pedal=kind == "Pedal", n_events=place.n_events + 1)
        return replace(place, kind=kind, n_events=place.n_events + (kind == "Tempo"))

    def allowed(self, place: Place) -> NDArray[np.bool_]:
        """Return which tokens may come next: bool [V], a fresh array."""
        kind = place.kind
        if kind == "":
            return self._of["Bar"].copy()
        if kind == "Bar":
            return self._of["TimeSig"].copy()
        if kind == "Pitch":
            return self._of["Velocity"].copy()
        if kind == "Velocity":
            return self._of["Duration"].copy()
        mask = self._events(place) if place.position >= 0 else np.zeros(len(self.vocabulary), dtype=bool)
        if kind != "Position":
            later = (self._position_value > place.position) & (self._position_value < place.bar_units)
            mask |= later | self._of["Bar"] | self._of["EOS"]
        return mask

    def _events(self, place: Place) -> NDArray[np.bool_]:
        mask = self._pitch_value > place.pitch
        if place.pitch < 0:
            if place.n_events == 0:
                mask |= self._of["Tempo"]
            if place.kind != "Pedal":
                mask |= self._of["PedalOff"] if place.pedal else self._of["Pedal"]
        return mask

    def first_error(self, ids: Iterable[int], *, start: Place | None = None) -> str | None:
        """Return what is wrong with the first ungrammatical token of a stream, or None.

        Args:
            ids: music tokens from a Bar on, without head and control tokens.
            start: where the stream stands before the first of them; default: before a Bar.

        """
        place = start or Place()
        for index, token in enumerate(ids):
            if not self.allowed(place)[token]:
                before = place.kind or "the beginning"
                return f"token {index} ({self.vocabulary.token(int(token))}) may not follow {before}"
            place = self.advance(place, int(token))
        return None
