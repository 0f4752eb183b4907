"""From ticks to exact places and lengths: which fraction of a quarter an onset or an end was meant to be.

Onsets go to the division of their beat (`beats`). An end that lies on it stays there; any other end (a performance, a
file that plays notes for 95 % of their length) goes to the next onset where that is near: legato reads as legato, and
nothing ends on a 64th.

A very short note that no division explains and that runs into the next one is a grace note: it takes no time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from symusic import Track

from pianomuse.notation.beats import Beats, odd_part
from pianomuse.notation.measures import UNITS, Measure, measure_at

_GAP, _GAP_OF_SHORT = 0.35, 0.6  # share of the way to the next onset that may be silent in legato; up to an eighth
_LONGEST_GRACE = UNITS / 8 * 1.05
_MOST_ON_A_KEY = 2
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
    beats = Beats(bars)
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


def _graces(onsets: list[float], ends: list[float], pitches: list[int], beats: Beats) -> list[int]:
    """Return for each note the one it ornaments: itself if it is no grace note."""
    is_odd = [not beats.is_usual(onset) for onset in onsets]
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


def _end(onset: float, end: float, strikes: list[float], placed: dict[float, int], beats: Beats, is_loose: bool) -> int:
    """Return where a note is written to end."""
    start, beat, first = placed[onset], beats.at(end), beats.at(onset)
    shortest = start + first.length // (first.division * {1: 4, 2: 2}.get(first.division, 1))
    near = [strikes[i] for i in _around(strikes, end) if placed[strikes[i]] > start]
    division = beats.end_division(end)
    exact = [placed[strike] for strike in near if abs(strike - end) <= beats.tolerance]
    if exact:
        return exact[0]
    is_meant = division <= 8 or any(d >= 8 for d in (beat.division, first.division)) or odd_part(division) > 1
    if division and is_meant and not is_loose and (place := beat.nearest(end, division)) > start:
        return place
    length = end - onset
    for strike in near:
        if abs(strike - end) <= _reach(length, strike - onset):
            return placed[strike]
    odd = odd_part(max(beat.division, 1))
    place = beat.nearest(end, 2 * odd if length <= UNITS and beat.allows(2 * odd) else odd)
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
    """Sort, and keep one of several notes on the same key and place: the longest, grace notes apart.

    Two voices may hold one key; where a third strikes it, the first of them ends.
    """
    found: dict[tuple[int, int], WrittenNote] = {}
    for note in notes:
        key = note.onset, note.pitch
        if not note.is_grace and (key not in found or found[key].end < note.end):
            found[key] = note
    held: dict[int, list[tuple[int, int]]] = {}
    for key in sorted(found):
        onset, pitch = key
        sounding = [other for other in held.get(pitch, ()) if found[other].end > onset]
        if len(sounding) == _MOST_ON_A_KEY:
            first = sounding.pop(0)
            found[first] = found[first]._replace(end=onset)
        held[pitch] = [*sounding, key]
    graces = [note for note in notes if note.is_grace]
    return sorted([*graces, *found.values()], key=lambda note: (note.onset, not note.is_grace))
