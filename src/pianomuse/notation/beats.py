"""Into how many equal parts each beat of a staff is divided, as far as its onsets and note ends tell.

The simplest division that all onsets of a beat lie on is taken: halves, quarters, thirds, then finer and odder ones.
What lies on none of them goes to the nearest place of a plain one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from pianomuse.notation.measures import UNITS, Measure
from pianomuse.notation.metre import FINEST

# Divisions of a beat, plain ones first. The last four need almost all of their places to be played.
_DIVISIONS = (1, 2, 4, 3, 8, 6, 12, 16, 5, 7, 10, 24, 20, 14, 32, 9, 11, 13, 22)
_DENSE = {9: 7, 11: 9, 13: 11, 22: 6}  # division -> onsets it takes at least
_PLAIN = (1, 2, 4, 3, 8, 6, 12)
_USUAL = _DIVISIONS[:13]
_FINEST_OF_ENDS = {1: (16, 8, 4, 2), 3: (12, 6, 3)}  # by odd factor, finest first
_MOST_HALVINGS = 8  # parts that each part of a tuplet is divided into, at most
_COST_OF_FINER = 0.02  # of a beat, per step down the list of plain divisions
_COST_OF_MERGING = 0.05  # of a beat, per onset that falls together with another
_TOLERANCE_TICKS = 0.6
_TOLERANCE = UNITS / 400, UNITS / 40
_WRITTEN_SHARE = 0.8


@dataclass
class Beat:
    """One beat of one staff: where it begins, and of what its places are multiples; 0: no onset says."""

    start: int
    length: int
    division: int = 0

    def nearest(self, place: float, division: int) -> int:
        """Return the place of a division that lies nearest."""
        return self.start + round((place - self.start) * division / self.length) * self.length // division

    def allows(self, division: int) -> bool:
        """Tell whether there are note values for a division of this beat."""
        odd = odd_part(division)
        normal, halvings = 1 << (odd.bit_length() - 1), division // odd
        return self.length // (normal * halvings) >= FINEST and (odd == 1 or halvings <= _MOST_HALVINGS)

    def finest(self, odd: int) -> int:
        """Return the finest division with this odd factor that a note end may lie on."""
        return next((d for d in _FINEST_OF_ENDS.get(odd, (odd,)) if self.allows(d)), 1)


class Beats:
    """The beats of one staff; made as they are asked for."""

    def __init__(self, bars: Sequence[Measure]) -> None:
        self._bars = bars
        self._starts = [bar.start for bar in bars]
        self._beats: dict[int, Beat] = {}
        tick = bars[0].length / (bars[0].end_tick - bars[0].start_tick)
        self.tolerance = min(max(tick * _TOLERANCE_TICKS, _TOLERANCE[0]), _TOLERANCE[1])
        """How far from a place a tick may lie to be meant there: what rounding to ticks takes, at least."""

    def at(self, place: float) -> Beat:
        """Return the beat that holds a place; one hardly before its end belongs to the next."""
        bar = self._bar_of(place)
        place += min(self.tolerance, bar.cell / 16)
        bar = self._bar_of(place)
        origin = bar.start - bar.offset
        start = origin + int(place - origin) // bar.cell * bar.cell
        return self._beats.setdefault(start, Beat(start, bar.cell))

    def explains(self, place: float, beat: Beat, division: int) -> bool:
        """Tell whether a place is exact in a division."""
        return abs(beat.nearest(place, division) - place) <= min(self.tolerance, beat.length / 16)

    def is_usual(self, place: float) -> bool:
        """Tell whether a place is exact in any of the more usual divisions."""
        beat = self.at(place)
        return any(self.explains(place, beat, division) for division in _USUAL if beat.allows(division))

    def divide(self, onsets: Sequence[float]) -> None:
        """Choose the division of every beat that has onsets."""
        inside: dict[int, list[float]] = {}
        for onset in onsets:
            inside.setdefault(self.at(onset).start, []).append(onset)
        for start, here in inside.items():
            beat = self._beats[start]
            exact = (
                division
                for division in _DIVISIONS
                if len(here) >= _DENSE.get(division, 0)
                and beat.allows(division)
                and all(self.explains(onset, beat, division) for onset in here)
            )
            beat.division = next(exact, 0) or _plain_division(here, beat)

    def divide_by_ends(self, ends: Sequence[float]) -> None:
        """Choose thirds, fifths or sevenths in beats where only note ends tell."""
        votes: dict[int, dict[int, int]] = {}
        for end in ends:
            beat = self.at(end)
            if odd_part(max(beat.division, 1)) == 1:
                odd = next((odd for odd in (1, 3, 5, 7) if self.explains(end, beat, beat.finest(odd))), 1)
                if odd > 1 and beat.allows(max(beat.division, 1) * odd):
                    count = votes.setdefault(beat.start, {})
                    count[odd] = count.get(odd, 0) + 1
        for start, count in votes.items():
            self._beats[start].division = max(self._beats[start].division, 1) * max(count, key=lambda o: count[o])

    def hold(self, ends: Sequence[float]) -> bool:
        """Tell whether note ends are written: most of them lie on a division."""
        n_exact = 0
        for end in ends:
            beat = self.at(end)
            n_exact += any(self.explains(end, beat, beat.finest(odd)) for odd in (1, 3, 5, 7))
        return n_exact >= _WRITTEN_SHARE * len(ends)

    def place(self, onset: float) -> int:
        """Return the exact place of an onset."""
        beat = self.at(onset)
        return beat.nearest(onset, beat.division)

    def end_division(self, end: float) -> int:
        """Return the coarsest division of its beat that an end is exact in, 0 where there is none."""
        beat = self.at(end)
        odd = odd_part(max(beat.division, 1))
        divisions = {2**k * factor for factor in {1, odd} for k in range(4)} | {beat.finest(odd)}
        return next((d for d in sorted(divisions) if beat.allows(d) and self.explains(end, beat, d)), 0)

    def _bar_of(self, place: float) -> Measure:
        return self._bars[max(bisect_right(self._starts, place) - 1, 0)]


def odd_part(division: int) -> int:
    """Return the odd factor of a division: 3 for 12.

    >>> odd_part(12)
    3
    """
    while division % 2 == 0:
        division //= 2
    return division


def _plain_division(onsets: Sequence[float], beat: Beat) -> int:
    """Return the plain division that lies nearest to onsets that none explains."""

    def cost(rank: int) -> float:
        off = sum(abs(beat.nearest(onset, _PLAIN[rank]) - onset) for onset in onsets) / len(onsets)
        n_merged = len(onsets) - len({beat.nearest(onset, _PLAIN[rank]) for onset in onsets})
        return off / beat.length + _COST_OF_FINER * rank + _COST_OF_MERGING * n_merged

    return _PLAIN[min((rank for rank, d in enumerate(_PLAIN) if beat.allows(d)), key=cost)]
