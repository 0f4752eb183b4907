"""From ticks to exact places and lengths: which fraction of a quarter an onset or an end was meant to be.

In every beat of a staff the simplest division that all its onsets lie on is taken: halves, quarters, triplets, then
finer and odder ones. What lies on none of them goes to the nearest place of a plain one. An end that lies on the
beat's division stays there; any other end (a performance, a file that plays notes for 95 % of their length) goes to
the next onset where that is near, so that legato reads as legato and nothing ends on a 64th.

A very short note that no division explains and that runs into the next one is a grace note: it takes no time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from symusic import Track

from pianomuse.notation.measures import UNITS, Measure, measure_at

# Divisions of a beat, plain ones first. The last four need almost all of their places to be played.
_DIVISIONS = (1, 2, 4, 3, 8, 6, 12, 16, 5, 7, 10, 24, 20, 14, 32, 9, 11, 13, 22)
_DENSE = {9: 7, 11: 9, 13: 11, 22: 6}  # division -> onsets it takes at least
_PLAIN = (1, 2, 4, 3, 8, 6, 12)
_COST_OF_FINER = 0.02  # of a beat, per step down the list of plain divisions
_TOLERANCE_TICKS = 0.6
_TOLERANCE = UNITS / 400
_WRITTEN_SHARE = 0.8
_GAP, _GAP_OF_SHORT = 0.35, 0.6  # share of the way to the next onset that may be silent in legato; up to an eighth
_LONGEST_GRACE = UNITS / 8 * 1.05
_MOST_GRACES = 4  # before one note
_GRACE_REACH = 12  # semitones to the next note


class WrittenNote(NamedTuple):
    """A note as it is written; times in units from the beginning. A grace note ends where it starts."""

    onset: int
    end: int
    pitch: int
    velocity: int

    @property
    def is_grace(self) -> bool:
        """Whether it takes no time."""
        return self.end == self.onset


@dataclass
class _Beat:
    """One beat of one staff: where it begins and what its places are multiples of."""

    start: int
    length: int
    division: int = 0  # 0: no onset says

    def nearest(self, place: float, division: int) -> int:
        return self.start + round((place - self.start) * division / self.length) * self.length // division


def written_notes(track: Track, bars: Sequence[Measure], *, is_played: bool = False) -> list[WrittenNote]:
    """Return the notes of one staff at exact places, by onset and pitch.

    Args:
        track: in ticks.
        bars: of the whole piece.
        is_played: note ends are as loose as a player's, also where they happen to lie on a division. Files whose ends
            lie on none are read so by themselves.
    """
    columns = track.notes.numpy()
    if len(columns["time"]) == 0:
        return []
    order = np.lexsort((columns["pitch"], columns["time"]))
    onset_ticks = columns["time"][order].astype(int).tolist()
    end_ticks = (columns["time"] + columns["duration"])[order].tolist()
    pitches, velocities = columns["pitch"][order].tolist(), columns["velocity"][order].tolist()
    onsets = [_units(bars, tick) for tick in onset_ticks]
    ends = [_units(bars, tick) for tick in end_ticks]
    tolerance = _tolerance(bars)
    beats = _Beats(bars, tolerance)
    main_of = _graces(onsets, ends, pitches, beats)
    beats.divide(sorted({onset for i, onset in enumerate(onsets) if main_of[i] == i}))
    is_loose = is_played or not beats.hold(ends)
    if not is_loose:
        beats.divide_by_ends(sorted({end for i, end in enumerate(ends) if main_of[i] == i}))
    placed = {onset: beats.place(onset) for i, onset in enumerate(onsets) if main_of[i] == i}
    strikes = sorted(placed)
    notes = []
    for i, onset in enumerate(onsets):
        place = placed[onsets[main_of[i]]]
        end = place if main_of[i] != i else _end(onset, ends[i], strikes, placed, beats, is_loose)
        notes.append(WrittenNote(place, end, pitches[i], velocities[i]))
    return _without_doubles(notes)


def _units(bars: Sequence[Measure], tick: int) -> float:
    return bars[measure_at(bars, tick)].units_at(tick)


def _tolerance(bars: Sequence[Measure]) -> float:
    """Return how far from a place a tick may lie to be meant there: what rounding to ticks takes, at least."""
    first = bars[0]
    return max(first.length / (first.end_tick - first.start_tick) * _TOLERANCE_TICKS, _TOLERANCE)


class _Beats:
    """The beats of one staff; made as they are asked for."""

    def __init__(self, bars: Sequence[Measure], tolerance: float) -> None:
        self._bars = bars
        self._starts = [bar.start for bar in bars]
        self._beats: dict[int, _Beat] = {}
        self.tolerance = tolerance

    def at(self, place: float) -> _Beat:
        """Return the beat that holds a place; one hardly before its end belongs to the next."""
        place += self.tolerance
        bar = self._bars[max(bisect_right(self._starts, place) - 1, 0)]
        origin = bar.start - bar.offset
        start = origin + int(place - origin) // bar.cell * bar.cell
        return self._beats.setdefault(start, _Beat(start, bar.cell))

    def explains(self, place: float, beat: _Beat, division: int) -> bool:
        """Tell whether a place is exact in a division."""
        return abs(beat.nearest(place, division) - place) <= self.tolerance

    def divide(self, onsets: Sequence[float]) -> None:
        """Choose the division of every beat that has onsets."""
        inside: dict[int, list[float]] = {}
        for onset in onsets:
            inside.setdefault(self.at(onset).start, []).append(onset)
        for start, here in inside.items():
            beat = self._beats[start]
            beat.division = next(
                (
                    division
                    for division in _DIVISIONS
                    if len(here) >= _DENSE.get(division, 0) and all(self.explains(o, beat, division) for o in here)
                ),
                0,
            ) or _plain_division(here, beat)

    def divide_by_ends(self, ends: Sequence[float]) -> None:
        """Choose triplets, fifths or sevenths in beats where only note ends tell."""
        votes: dict[int, dict[int, int]] = {}
        for end in ends:
            beat = self.at(end)
            if beat.division == 0 or beat.division & (beat.division - 1) == 0:
                odd = next((odd for odd in (1, 3, 5, 7) if self.explains(end, beat, _finest(odd))), 1)
                if beat.division * odd <= 24:
                    count = votes.setdefault(beat.start, {})
                    count[odd] = count.get(odd, 0) + 1
        for start, count in votes.items():
            if set(count) != {1}:
                odd = max((o for o in count if o > 1), key=lambda o: count[o])
                self._beats[start].division = max(self._beats[start].division, 1) * odd

    def hold(self, ends: Sequence[float]) -> bool:
        """Tell whether note ends are written: most of them lie on a division."""
        n_exact = sum(any(self.explains(end, self.at(end), d) for d in (16, 12, 5, 7)) for end in ends)
        return n_exact >= _WRITTEN_SHARE * len(ends)

    def place(self, onset: float) -> int:
        """Return the exact place of an onset."""
        beat = self.at(onset)
        return beat.nearest(onset, beat.division)

    def end_division(self, end: float) -> int:
        """Return the coarsest division of its beat that an end is exact in, 0 where there is none."""
        beat = self.at(end)
        odd = _odd_part(max(beat.division, 1))
        divisions = [2**k * factor for factor in ((1,) if odd == 1 else (1, odd)) for k in range(4)]
        return next((d for d in sorted({*divisions, _finest(odd)}) if self.explains(end, beat, d)), 0)


def _finest(odd: int) -> int:
    """Return the finest division with this odd factor that an end may lie on."""
    return {1: 16, 3: 12}.get(odd, odd)


def _odd_part(division: int) -> int:
    while division % 2 == 0:
        division //= 2
    return division


def _plain_division(onsets: Sequence[float], beat: _Beat) -> int:
    """Return the plain division that lies nearest to onsets that none explains."""

    def cost(rank: int) -> float:
        off = sum(abs(beat.nearest(onset, _PLAIN[rank]) - onset) for onset in onsets) / len(onsets)
        n_lost = len(onsets) - len({beat.nearest(onset, _PLAIN[rank]) for onset in onsets})
        return off / beat.length + _COST_OF_FINER * rank + 0.05 * n_lost

    return _PLAIN[min(range(len(_PLAIN)), key=cost)]


def _graces(onsets: list[float], ends: list[float], pitches: list[int], beats: _Beats) -> list[int]:
    """Return for each note the one it ornaments: itself if it is no grace note."""
    is_odd = [next((d for d in _DIVISIONS[:13] if beats.explains(o, beats.at(o), d)), 0) == 0 for o in onsets]
    main_of = list(range(len(onsets)))
    for i in range(len(onsets) - 2, -1, -1):
        if ends[i] - onsets[i] > _LONGEST_GRACE:
            continue
        after = bisect_left(onsets, onsets[i] + beats.tolerance)
        if after == len(onsets) or onsets[after] - ends[i] > UNITS / 32 or not (is_odd[i] or is_odd[after]):
            continue
        upto = bisect_right(onsets, onsets[after] + beats.tolerance)
        nearest = min(range(after, upto), key=lambda j: abs(pitches[j] - pitches[i]))
        if abs(pitches[nearest] - pitches[i]) <= _GRACE_REACH:
            main_of[i] = main_of[nearest]
    for main in set(main_of):
        chain = [i for i in range(max(main - 3 * _MOST_GRACES, 0), main) if main_of[i] == main]
        if len({onsets[i] for i in chain}) > _MOST_GRACES:
            for i in chain:
                main_of[i] = i
        elif chain and is_odd[main] and not is_odd[chain[0]]:  # played on the beat: the main note was pushed off it
            _pull(onsets, main, onsets[chain[0]])
    return main_of


def _pull(onsets: list[float], main: int, place: float) -> None:
    was = onsets[main]
    for i in range(bisect_left(onsets, was), bisect_right(onsets, was)):
        onsets[i] = place


def _end(
    onset: float, end: float, strikes: list[float], placed: dict[float, int], beats: _Beats, is_loose: bool
) -> int:
    """Return where a note is written to end."""
    start, beat, first = placed[onset], beats.at(end), beats.at(onset)
    shortest = start + first.length // (first.division * {1: 4, 2: 2}.get(first.division, 1))
    near = [strikes[i] for i in _around(strikes, end) if placed[strikes[i]] > start]
    division = beats.end_division(end)
    exact = [placed[strike] for strike in near if abs(strike - end) <= beats.tolerance]
    if exact:
        return exact[0]
    is_meant = division <= 8 or any(d >= 8 for d in (beat.division, first.division)) or _odd_part(division) > 1
    if division and is_meant and not is_loose and (place := beat.nearest(end, division)) > start:
        return place
    length = end - onset
    for strike in near:
        if abs(strike - end) <= _reach(length, strike - onset):
            return placed[strike]
    coarse = max(_odd_part(max(beat.division, 1)), 1) * (1 if length > UNITS else 2)
    place = beat.nearest(end, coarse)
    return place if place >= shortest else shortest


def _reach(length: float, to_strike: float) -> float:
    """Return how far from its end another onset may lie for a note to end there; all counted from the note's onset."""
    if to_strike < length:
        return min(UNITS / 4, length / 4)
    return max(UNITS / 8, to_strike * (_GAP_OF_SHORT if to_strike <= UNITS / 2 * 1.05 else _GAP))


def _around(strikes: list[float], end: float) -> list[int]:
    """Return the indices of the last strike before an end and of the first one after it."""
    after = bisect_left(strikes, end)
    return [i for i in (after, after - 1) if 0 <= i < len(strikes)]


def _without_doubles(notes: list[WrittenNote]) -> list[WrittenNote]:
    """Sort, and keep one of several notes on the same key and place: the longest, grace notes apart."""
    found: dict[tuple[int, int, bool], WrittenNote] = {}
    graces = []
    for note in notes:
        if note.is_grace:
            graces.append(note)
            continue
        key = (note.onset, note.pitch, False)
        if key not in found or found[key].end < note.end:
            found[key] = note
    return sorted([*graces, *found.values()], key=lambda note: (note.onset, not note.is_grace))
