"""Where the notes of a file are in seconds, by its own tempo map, and which tick a second is."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pianomuse.midi.read import Piece

Floats = NDArray[np.float64]


def seconds_of(piece: Piece) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return onsets and ends of the piano notes in seconds, and their pitches: [n] each, in the score's order."""
    notes = piece.score.tracks[0].notes.numpy()
    onset = notes["time"].astype(np.int64)
    clock = Clock(piece)
    return clock.seconds(onset), clock.seconds(onset + notes["duration"]), notes["pitch"].astype(np.int64)


class Clock:
    """The tempo map of a file: ticks to seconds and back; its last tempo goes on for ever."""

    def __init__(self, piece: Piece) -> None:
        """Add the tempos up."""
        tempos = sorted((int(tempo.time), int(tempo.mspq)) for tempo in piece.score.tempos)
        self._ticks = np.array([tick for tick, _ in tempos], dtype=np.float64)
        self._tick_s = np.array([mspq for _, mspq in tempos]) / 1e6 / piece.grid.ticks_per_quarter
        self._seconds = np.concatenate([[0.0], np.cumsum(np.diff(self._ticks) * self._tick_s[:-1])])

    def seconds(self, ticks: ArrayLike) -> Floats:
        """Return when some ticks are, in seconds from tick 0."""
        at = np.asarray(ticks, dtype=np.float64)
        place = np.maximum(np.searchsorted(self._ticks, at, side="right") - 1, 0)
        found: Floats = self._seconds[place] + (at - self._ticks[place]) * self._tick_s[place]
        return found

    def ticks(self, seconds: ArrayLike) -> Floats:
        """Return which ticks some seconds are, not rounded."""
        at = np.asarray(seconds, dtype=np.float64)
        place = np.maximum(np.searchsorted(self._seconds, at, side="right") - 1, 0)
        found: Floats = self._ticks[place] + (at - self._seconds[place]) / self._tick_s[place]
        return found
