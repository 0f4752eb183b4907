"""Where the beats of a score are, and what its metre is on the whole: what a beat tracker is held against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pianomuse.midi.bars import BarGrid, Metre
from pianomuse.tokens.quantise import spoken_metre


def beat_lines(grid: BarGrid) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
    """Return ticks of all beats to the end of the last bar, which begin a bar, and their bars: int64, bool, int64 [n].

    A first bar that is shorter than the next is a pickup: no downbeat. The last line closes the last bar.
    """
    ticks: list[int] = []
    is_downbeat: list[bool] = []
    bar_of: list[int] = []
    has_pickup = grid.pickup_ticks > 0 and grid.n_bars > 1
    for bar in range(grid.n_bars):
        start, stop = grid.start_of(bar), grid.start_of(bar + 1)
        step = _beat_of(grid.metre_of(bar), grid.ticks_per_quarter)
        first = start
        if bar == 0 and has_pickup:
            step = _beat_of(grid.metre_of(1), grid.ticks_per_quarter)
            first = start + (stop - start) % step
        for tick in range(first, stop, step):
            ticks.append(tick)
            is_downbeat.append(tick == start and not (bar == 0 and has_pickup and stop - start < _bar_ticks(grid, 1)))
            bar_of.append(bar)
    ticks.append(grid.start_of(grid.n_bars))
    return np.array(ticks), np.array([*is_downbeat, True]), np.array([*bar_of, grid.n_bars])


def _bar_ticks(grid: BarGrid, bar: int) -> int:
    return grid.start_of(bar + 1) - grid.start_of(bar)


def _beat_of(metre: Metre, quarter: int) -> int:
    """Return the length of a beat as the tokens say the metre: quarters in 2/2."""
    numerator, denominator = spoken_metre(*metre) or metre
    unit = 3 if denominator >= 8 and numerator % 3 == 0 and numerator > 3 else 1
    return max(unit * 4 * quarter // denominator, 1)


def main_metre(grid: BarGrid) -> tuple[Metre, bool]:
    """Return the metre that most of the music is in, as the tokens say it, and whether nine tenths of it are."""
    lengths: dict[Metre, int] = {}
    for bar, metre in enumerate(grid.metres):
        if bar == 0 and grid.pickup_ticks and grid.n_bars > 1:
            continue
        name = spoken_metre(*metre) or metre
        lengths[name] = lengths.get(name, 0) + _bar_ticks(grid, bar)
    most = max(lengths, key=lambda name: lengths[name])
    return most, lengths[most] >= 0.9 * sum(lengths.values())
