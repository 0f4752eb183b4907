"""What following a kept rhythm and kept pitches have in common: the notes, and where the idea stands in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pianomuse.generate.keyboard import Keyboard
from pianomuse.generate.playable import LEAP_SECONDS_PER_SEMITONE, REPETITION_SECONDS
from pianomuse.generate.rules import Rules
from pianomuse.tokens.vocabulary import GRID


class KeptNotes:
    """Follow an idea that keeps notes, as `Progress` follows a free one.

    Args:
        rules: the tables of a plan that keeps some.

    """

    def __init__(self, rules: Rules) -> None:
        """Stand before the first bar."""
        kept = rules.plan.kept
        assert kept is not None
        self.rules = rules
        self.keyboard = Keyboard(0, rules.limits.tempo_bpm)
        for note in rules.plan.ringing:
            self.keyboard.ring(note.pitch, note.end_units)
        self.bar, self.time = -1, 0
        seconds = 60.0 / rules.limits.tempo_bpm / GRID
        self._keys_per_unit = seconds / LEAP_SECONDS_PER_SEMITONE
        self._has_hands = kept.n_hands > 0
        self._again = int(np.ceil(REPETITION_SECONDS / seconds - 1e-9)) if self._has_hands else 1
        self._strikes = kept.strikes()
        self._at = 0  # the strike that comes next or is being written
        self._n_struck = 0  # notes of it
        self._pitch = -1
        self._written: list[int] = []

    @property
    def position(self) -> int:
        """Grid units from the bar line."""
        return self.time - self.rules.bar_starts[self.bar]

    def begin_bar(self) -> None:
        """Go over a bar line."""
        self.bar += 1
        self.time = self.rules.bar_starts[self.bar]

    def move_to(self, position: int) -> None:
        """Go to a position of this bar."""
        self.time = self.rules.bar_starts[self.bar] + position

    def owes(self) -> bool:
        """Tell whether the bar may not end yet."""
        return self._at < len(self._strikes) and self._strikes[self._at][0].bar == self.bar

    def hands(self) -> list[int]:
        """Return the hand of every note written so far, 0 left, 1 right; empty where hands are no limit."""
        return self._written if self._has_hands else []

    def can_strike_at(self, places: NDArray[np.intp]) -> bool:
        """Tell whether a note can be struck at one of some later places of this bar."""
        return self.owes() and len(places) > 0
