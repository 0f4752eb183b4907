"""The way from bars that were found in a recording back to the recording."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pianomuse.coded import Coded


@dataclass(frozen=True, eq=False)
class Recording:
    """A composer's recording without a metronome.

    Args:
        data: the file, as it was handed in.
        grid_ticks: beat lines of the piece on bars, ascending, int64 [n].
        file_ticks: the same beats in the file, ascending, float64 [n].
        ticks_per_second: of the file, around its end.
        notice: what was assumed, one sentence for the composer.
        metre: found, or as told.
        tempo_bpm: middle tempo, quarter notes a minute.
        first_downbeat_s: second of the file at which the first whole bar begins.

    """

    data: bytes
    grid_ticks: NDArray[np.int64]
    file_ticks: NDArray[np.float64]
    ticks_per_second: float
    notice: Coded
    metre: tuple[int, int]
    tempo_bpm: float
    first_downbeat_s: float

    def in_file(self, grid_ticks: ArrayLike) -> NDArray[np.float64]:
        """Return the ticks of the file for some ticks on bars; past the last beat its tempo goes on."""
        return _through(np.asarray(grid_ticks, dtype=np.float64), self.grid_ticks.astype(np.float64), self.file_ticks)

    def on_bars(self, file_ticks: ArrayLike) -> NDArray[np.float64]:
        """Return the ticks on bars for some ticks of the file."""
        return _through(np.asarray(file_ticks, dtype=np.float64), self.file_ticks, self.grid_ticks.astype(np.float64))


def _through(at: NDArray[np.float64], here: NDArray[np.float64], there: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate; past either end go on as between the two nearest."""
    first = (there[1] - there[0]) / (here[1] - here[0])
    last = (there[-1] - there[-2]) / (here[-1] - here[-2])
    inside = np.interp(at, here, there)
    before, after = there[0] + (at - here[0]) * first, there[-1] + (at - here[-1]) * last
    return np.where(at < here[0], before, np.where(at > here[-1], after, inside))
