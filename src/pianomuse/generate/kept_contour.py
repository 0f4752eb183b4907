"""Ideas that keep a contour: the rhythm, and the rise and fall of its top line; how far it goes is free.

The top line is every strike whose highest note lies above all that still sounds of the notes kept. In an idea the same
strikes are its top line, and each rises above, falls below or repeats the one before as it did.

Why there is always a way. The idea carries one: a pitch for every note still to come, with which all limits hold. It
begins with the composer's own pitches or, where a limit forbids one, the nearest that a search finds. Another pitch is
taken only if a short search finds the way from it back to the one that is carried, or to the end.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pianomuse.generate.bar_limits import BASS_BELOW
from pianomuse.generate.kept import KeptNote
from pianomuse.generate.kept_rhythm import KeptRhythm
from pianomuse.generate.keyboard import Keyboard
from pianomuse.generate.resting_hand import KEYS, RestingHand
from pianomuse.generate.rules import Rules

_MAX_STEPS_FIRST, _MAX_STEPS_BACK = 4000, 80  # notes tried by the first search, and by one for the way back
_MAX_CHOICES = 8  # pitches tried for a note


@dataclass
class _Stand:
    """What is down, where the hands are, and what the top line struck last, before one of the kept notes."""

    keyboard: Keyboard
    hands: list[RestingHand]
    span: int  # the chord whose first bass note has been struck
    top: int  # what the top line struck last, -1 before its first note
    floor: int  # the note below in the same strike, -1 for the first


class KeptContour(KeptRhythm):
    """Follow an idea that keeps a contour, as `Progress` follows a free one.

    Args:
        rules: the tables of a plan that keeps a contour.

    """

    def __init__(self, rules: Rules) -> None:
        """Stand before the first bar."""
        super().__init__(rules)
        self._notes = [note for strike in self._strikes for note in strike]
        self._onsets = [rules.bar_starts[note.bar] + note.position for note in self._notes]
        self._is_highest = [note is strike[-1] for strike in self._strikes for note in strike]
        self._moves = _outline(self._strikes, self._times)
        self._n_before = np.cumsum([0, *map(len, self._strikes)]).tolist()  # notes before each strike
        self._top = self._floor = -1
        self._is_excused = False
        self._way: list[int] | None = None  # pitches of the notes still to come; None before the first is looked for
        self._stands: list[_Stand] = []  # along that way, before each of its notes
        self._furthest = 0  # note that searches came to

    def strike(self, pitch: int) -> None:
        """Strike a note here: the next one of the rhythm, or one of the composer's own before it."""
        if self._is_on_strike():
            self._top, self._floor = self._line_after(self._top, self._next(), pitch)
            self._way, self._stands = (self._way or [])[1:], self._stands[1:]
        super().strike(pitch)

    def excuse(self) -> None:
        """Let the hands be anywhere, and the line go as it will."""
        super().excuse()
        self._is_excused = True

    def strikeable(self, position: int, *, is_here: bool = False) -> NDArray[np.bool_]:
        """Return which pitches the next note of the rhythm could have: bool [128]."""
        if self._is_excused or not (is_here and self._is_on_strike()) or position < 0:
            return super().strikeable(position, is_here=is_here)
        if self._way is None:
            self._carry(self._search(self._stand(), self._next(), _MAX_STEPS_FIRST) or [])
        return self._open(self._stand(), self._next()) if self._way else np.zeros(128, dtype=bool)

    def leaves_a_way(self, kind: str, value: int, *, has_other_events: bool) -> bool:
        """Tell whether all later notes can be written if a token is taken."""
        if kind != "Pitch" or self._is_excused or not self._way or value == self._way[0]:
            return True
        rest = self._search(self._after(self._stand(), self._next(), value), self._next() + 1, _MAX_STEPS_BACK)
        if rest is not None:
            self._carry([value, *rest])
        return rest is not None

    def bar_in_the_way(self) -> int | None:
        """Return the bar that a search for a way did not get beyond; None if there is one."""
        found = self._search(self._stand(), self._next(), _MAX_STEPS_FIRST)
        return self._notes[self._furthest].bar if found is None else None

    def _next(self) -> int:
        """Return the index of the next note."""
        return int(self._n_before[self._at]) + self._n_struck

    def _stand(self) -> _Stand:
        return _Stand(self.keyboard, self._hands, self._span, self._top, self._floor)

    def _carry(self, way: list[int]) -> None:
        """Take a way from here."""
        self._way, self._stands = way, [self._stand()]
        for index, pitch in enumerate(way[:-1], self._next()):
            self._stands.append(self._after(self._stands[-1], index, pitch))

    def _search(self, stand: _Stand, first: int, max_steps: int) -> list[int] | None:
        """Return pitches for all notes from the first one on; None if not so many steps find any."""
        way: list[int] = []
        path = [(stand, self._choices(stand, first))]
        for _ in range(max_steps):
            stand, choices = path[-1]
            index = first + len(way)
            if index == len(self._notes) or self._is_back(stand, index):
                return way + (self._way or [])[index - self._next() :]
            self._furthest = max(self._furthest, index)
            if choices:
                way.append(choices.pop(0))
                stand = self._after(stand, index, way[-1])
                path.append((stand, self._choices(stand, index + 1)))
                continue
            path.pop()
            if not path:
                return None
            way.pop()
        return None

    def _choices(self, stand: _Stand, index: int) -> list[int]:
        """Return a few pitches for a note, those near the way carried, or the composer's own, first."""
        if index == len(self._notes):
            return []
        wanted = self._way[index - self._next()] if self._way else self._notes[index].pitch
        return sorted(np.flatnonzero(self._open(stand, index)).tolist(), key=lambda p: abs(p - wanted))[:_MAX_CHOICES]

    def _open(self, stand: _Stand, index: int) -> NDArray[np.bool_]:
        """Return the pitches that a note may have by all limits and by what was struck before: bool [128]."""
        note, time = self._notes[index], self._onsets[index]
        tones = self.rules.tones.at(note.bar, note.position)
        has_bass = tones.span < 0 or stand.span == tones.span
        allowed = self._playable(note, stand.keyboard, stand.hands, time)
        allowed &= tones.allowed if has_bass else tones.first_bass
        allowed[: stand.floor + 1] = False
        if self._is_highest[index]:
            held = [pitch for hand in stand.hands for pitch, end in hand.held.items() if end > time]
            allowed &= _in_line(self._moves[self._at_of(index)], stand.top, max(held, default=-1))
        return allowed

    def _at_of(self, index: int) -> int:
        """Return the strike that a note belongs to."""
        return bisect_right(self._n_before, index) - 1

    def _after(self, stand: _Stand, index: int, pitch: int) -> _Stand:
        """Return the stand after a note."""
        note, time = self._notes[index], self._onsets[index]
        keyboard, hands, span = stand.keyboard.copy(), list(stand.hands), stand.span
        keyboard.strike_anyhow(pitch, time)
        keyboard.end(pitch, time + note.duration)
        hands[note.hand] = hands[note.hand].copy()
        hands[note.hand].strike(pitch, time, time + note.duration)
        if pitch < BASS_BELOW:
            span = self.rules.tones.at(note.bar, note.position).span
        return _Stand(keyboard, hands, span, *self._line_after(stand.top, index, pitch))

    def _line_after(self, top: int, index: int, pitch: int) -> tuple[int, int]:
        """Return what the top line struck last, and what must be exceeded in the strike, after a note."""
        if not self._is_highest[index]:
            return top, pitch
        return (top if self._moves[self._at_of(index)] is None else pitch), -1

    def _is_back(self, stand: _Stand, index: int) -> bool:
        """Tell whether a note finds all as it does on the way carried."""
        at = index - self._next()
        if not self._way or not 0 < at < len(self._stands):
            return False
        time, other = self._onsets[index], self._stands[at]
        return (
            (stand.span, stand.top, stand.floor) == (other.span, other.top, other.floor)
            and all(one.is_as(two, time) for one, two in zip(stand.hands, other.hands, strict=True))
            and stand.keyboard.is_as(other.keyboard, time, self._again)
        )


def _outline(strikes: list[list[KeptNote]], times: list[int]) -> list[int | None]:
    """Return for every strike whether the top line rises (1, also to its first note), falls (-1) or repeats (0) there.

    None for the strikes that are below it.
    """
    moves: list[int | None] = []
    held: list[tuple[int, int]] = []  # end and pitch
    top = -1
    for strike, time in zip(strikes, times, strict=True):
        highest = strike[-1].pitch
        is_above = all(highest > pitch for end, pitch in held if end > time)
        moves.append((highest > top) - (highest < top) if is_above else None)
        top = highest if is_above else top
        held += [(time + note.duration, note.pitch) for note in strike]
    return moves


def _in_line(move: int | None, top: int, sounding: int) -> NDArray[np.bool_]:
    """Return the pitches that move the top line so from where it stands, or stay below what sounds: bool [128]."""
    if move is None:
        return sounding > KEYS
    moved = (top < KEYS, top == KEYS, top > KEYS)[1 - move]
    return moved & (sounding < KEYS)
