"""The bars of a page: their place in time and in their metre, their numbers, which time signatures are shown.

Time on a page is counted in exact units (`UNITS` per quarter note) in which 512ths of a quarter and tuplets of 3, 5,
7, 9, 11 and 13 are whole numbers; ticks are rounded, so nothing on a page is counted in them.

A pickup is bar 0 and lies at the end of its metre's bar. Where a file cuts a bar in two (an upbeat after a repeat:
3/8, 2/8 + 1/8, 3/8), the halves keep the metre of the bar they are cut from and no time signature is shown.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pianomuse.midi.bars import BarGrid, Metre

UNITS = 512 * 9 * 5 * 7 * 11 * 13
"""Of a quarter note."""


@dataclass(frozen=True)
class Measure:
    """One bar; times in units.

    Args:
        start: from the beginning of the file.
        length: of what stands on the page.
        metre: of the whole bar, as the time signature shows it.
        offset: how much of the whole bar lies before `start`; not 0 in a pickup.
        number: on the page.
        start_tick: where the bar begins in the file.
        end_tick: where it ends.

    """

    start: int
    length: int
    metre: Metre
    offset: int
    number: int
    start_tick: int
    end_tick: int

    @property
    def end(self) -> int:
        """Where the next bar begins."""
        return self.start + self.length

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing of what its metre says."""
        return self.length == metre_units(self.metre)

    @property
    def is_pickup(self) -> bool:
        """Whether it is bar 0."""
        return self.number == 0

    @property
    def cell(self) -> int:
        """Length of the note the metre counts in, at most a quarter."""
        return 4 * UNITS // max(self.metre[1], 4)

    def units_at(self, tick: int) -> float:
        """Return the place of a tick, in units from the beginning of the file."""
        return self.start + (tick - self.start_tick) * self.length / (self.end_tick - self.start_tick)


def metre_units(metre: Metre) -> int:
    """Return the length of a whole bar."""
    return metre[0] * 4 * UNITS // metre[1]


def measures(grid: BarGrid) -> list[Measure]:
    """Return the bars of a grid."""
    shown = _shown_metres(grid)
    found: list[Measure] = []
    start = 0
    first_number = 0 if grid.pickup_ticks else 1
    for index, (metre, offset) in enumerate(shown):
        length = metre_units(grid.metres[index])
        ticks = grid.start_of(index), grid.start_of(index + 1)
        found.append(Measure(start, length, metre, offset, first_number + index, *ticks))
        start += length
    return found


def measure_at(bars: Sequence[Measure], tick: int) -> int:
    """Return the index of the bar that holds a tick, the last one's past the end."""
    return max(bisect_right(bars, tick, key=lambda bar: bar.start_tick) - 1, 0)


def without_leading_rest(bars: Sequence[Measure], first_onset: int) -> list[Measure]:
    """Shorten a whole first bar that is a pickup to what sounds of it; times in units."""
    first, *others = bars
    start = first_onset // (UNITS // 4) * (UNITS // 4)
    if start < first_onset:
        start = first_onset // (UNITS // 2) * (UNITS // 2)
    if not first.is_pickup or first.offset or not first.start < start < first.end:
        return list(bars)
    rest = start - first.start
    start_tick = first.start_tick + (first.end_tick - first.start_tick) * rest // first.length
    return [replace(first, start=start, length=first.length - rest, offset=rest, start_tick=start_tick), *others]


def _shown_metres(grid: BarGrid) -> list[tuple[Metre, int]]:
    """Return for each bar the metre to show and how much of its whole bar lies before it."""
    lengths = [metre_units(metre) for metre in grid.metres]
    shown: list[tuple[Metre, int]] = []
    metre = grid.metres[0]
    if grid.pickup_ticks and len(lengths) > 1 and lengths[0] < lengths[1]:
        metre = grid.metres[1]
        shown.append((metre, lengths[1] - lengths[0]))
    while (index := len(shown)) < len(lengths):
        whole = metre_units(metre)
        length, after = lengths[index], lengths[index + 1 : index + 3]
        if index and after and length + after[0] == whole and after[1:] in ([], [whole]):
            shown += [(metre, 0), (metre, length)]
        elif index and not after and 0 < length == shown[0][1] and length < whole:
            shown.append((metre, 0))
        else:
            metre = grid.metres[index]
            shown.append((metre, 0))
    return shown
