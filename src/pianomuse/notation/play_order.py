"""In which order written bars are heard: repeats, endings, da capo, dal segno, coda and fine played out.

As players do it: a repeat is played twice unless it says how often; an ending is played in the passes whose numbers it
carries; after a jump back (D.C., D.S.) repeats are not taken again, the last of several endings is played, `To Coda`
and `Fine` count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pianomuse.errors import MidiError
from pianomuse.midi.bars import MAX_BARS

MAX_TIMES = 16


@dataclass
class Signs:
    """What stands at a written bar that changes the order.

    Args:
        is_repeat_start: a repeat begins here.
        repeat_times: how often the passage that ends here is played; 0: no repeat ends here.
        endings: the passes of an ending that begins here.
        is_ending_end: an ending stops here.
        segno: its name, where the sign stands here; likewise coda, and the jumps to them.

    """

    is_repeat_start: bool = False
    repeat_times: int = 0
    endings: frozenset[int] = frozenset()
    is_ending_end: bool = False
    segno: str = ""
    coda: str = ""
    dal_segno: str = ""
    to_coda: str = ""
    is_da_capo: bool = False
    is_fine: bool = False


@dataclass(frozen=True)
class _Ending:
    first: int
    last: int
    passes: frozenset[int]
    n_passes: int


def play_order(bars: Sequence[Signs]) -> list[int]:
    """Return the indices of the written bars in the order in which they are heard.

    Raises:
        MidiError: more bars than a piece can have.
    """
    return _Player(bars).play()


class _Player:
    """Where a player is, and in which pass."""

    def __init__(self, bars: Sequence[Signs]) -> None:
        self._bars = bars
        self._ending_at = {index: ending for ending in _endings(bars) for index in range(ending.first, ending.last + 1)}
        self._signs = {kind: _places(bars, kind) for kind in ("segno", "coda")}
        self._begin = 0
        self._pass = 1
        self._has_jumped = False

    def play(self) -> list[int]:
        order: list[int] = []
        here: int | None = 0
        while here is not None and here < len(self._bars):
            if (skipped := self._behind_ending(here)) is not None:
                here = skipped
                continue
            if self._bars[here].is_repeat_start and self._begin != here:
                self._begin, self._pass = here, 1
            order.append(here)
            if len(order) > MAX_BARS:
                raise MidiError(
                    f"Its repeats make more than {MAX_BARS} bars: give a shorter piece.",
                    "repeats_too_many",
                    most=MAX_BARS,
                )
            here = self._next(here)
        return order

    def _behind_ending(self, here: int) -> int | None:
        """Return the bar behind an ending that is not played in this pass."""
        ending = self._ending_at.get(here)
        if ending is None or ending.first != here:
            return None
        is_played = ending.n_passes in ending.passes if self._has_jumped else self._pass in ending.passes
        return None if is_played else ending.last + 1

    def _next(self, here: int) -> int | None:
        """Return the bar after this one; None at the end."""
        bar, ending = self._bars[here], self._ending_at.get(here)
        if bar.is_fine and self._has_jumped:
            return None
        if bar.to_coda and self._has_jumped and (place := self._find("coda", bar.to_coda)) is not None and place > here:
            return place
        if bar.repeat_times and not self._has_jumped:
            n_passes = max(bar.repeat_times, ending.n_passes if ending else 0)
            if self._pass < n_passes:
                self._pass += 1
                return self._begin
            self._begin, self._pass = here + 1, 1
        elif ending is not None and here == ending.last and not self._has_jumped and self._pass >= ending.n_passes:
            self._begin, self._pass = here + 1, 1
        if (bar.is_da_capo or bar.dal_segno) and not self._has_jumped:
            place = self._find("segno", bar.dal_segno) if bar.dal_segno else 0
            if place is not None and place <= here:
                self._has_jumped = True
                return place
        return here + 1

    def _find(self, sign: str, name: str) -> int | None:
        """Return where a sign of that name stands, else the only one there is."""
        found = self._signs[sign]
        return found.get(name, next(iter(found.values())) if len(found) == 1 else None)


def _places(bars: Sequence[Signs], sign: str) -> dict[str, int]:
    """Return where the signs of a kind stand, by their names."""
    return {getattr(bar, sign): index for index, bar in enumerate(bars) if getattr(bar, sign)}


def _endings(bars: Sequence[Signs]) -> list[_Ending]:
    """Return the endings; those that follow each other belong to one repeat and know how many passes it has."""
    groups: list[list[tuple[int, int, frozenset[int]]]] = []
    index = 0
    while index < len(bars):
        if not bars[index].endings:
            index += 1
            continue
        last = index
        while not bars[last].is_ending_end and last + 1 < len(bars) and not bars[last + 1].endings:
            last += 1
        if not any(bar.is_ending_end for bar in bars[index : last + 1]):
            last = index  # a bracket that nobody closed
        if not groups or groups[-1][-1][1] + 1 != index or min(bars[index].endings) == 1:
            groups.append([])
        groups[-1].append((index, last, bars[index].endings))
        index = last + 1
    found = []
    for group in groups:
        inside = bars[group[0][0] : group[-1][1] + 1]
        if not any(bar.repeat_times or bar.is_da_capo or bar.dal_segno for bar in inside):
            continue  # brackets without a way back: no pass but the first would ever come
        n_passes = max(max(passes) for _, _, passes in group)
        found += [_Ending(first, last, passes, n_passes) for first, last, passes in group]
    return found
