"""A moment of the new bars that is fixed before anything is written: what is struck there, and that it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_KEYS = np.arange(128)


@dataclass(frozen=True)
class Pin:
    """A fixed moment.

    Args:
        bar: index of the new bar.
        position: in it, in grid units.
        lowest: pitch classes that the lowest note struck there may have; None leaves it free.
        bass: MIDI pitch of the lowest note; −1 leaves it free.
        classes: pitch classes that all notes struck there have; None leaves them free.
        top: MIDI pitch of the highest note; −1 leaves it free.
        holds_bass: the lowest note is held to the end of the new bars, and nothing is struck below it.
        is_last: nothing begins after it.

    """

    bar: int
    position: int
    lowest: frozenset[int] | None = None
    bass: int = -1
    classes: frozenset[int] | None = None
    top: int = -1
    holds_bass: bool = False
    is_last: bool = False

    def mask(self, tones: NDArray[np.bool_], *, is_begun: bool) -> NDArray[np.bool_]:
        """Return which of some tones the next note here may have, the pitches that are fixed always: bool [128]."""
        allowed = tones.copy()
        if self.classes is not None:
            allowed &= np.isin(_KEYS % 12, sorted(self.classes))
        if self.top >= 0:
            allowed[self.top :] = False
            allowed[self.top] = True
        if is_begun:
            return allowed
        if self.lowest is not None:
            allowed &= np.isin(_KEYS % 12, sorted(self.lowest))
        if self.bass >= 0:
            allowed[:] = False
            allowed[self.bass] = self.top < 0 or self.bass <= self.top
        return allowed
