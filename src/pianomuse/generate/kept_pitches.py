"""Ideas that keep the composer's pitches: the strikes of every bar in their order; onsets and durations are free.

Why there is always a way. Played as late as possible, each strike has a last onset that leaves time for the next one,
for a key to be struck again and for a hand to leap. These are looked up once, from the end backwards. A strike is set
no later than that, and a note held no longer than until the latest onset of a strike that it would be in the way of;
so everything that is left can be played at its latest.
"""

from __future__ import annotations

from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from pianomuse.generate.bar_limits import BASS_BELOW
from pianomuse.generate.kept import KeptNote
from pianomuse.generate.kept_notes import KeptNotes
from pianomuse.generate.playable import MAX_HELD, MAX_SPAN
from pianomuse.generate.rules import Rules

_LONG_AGO = -(10**9)


class KeptPitches(KeptNotes):
    """Follow an idea that keeps pitches, as `Progress` follows a free one.

    Args:
        rules: the tables of a plan that keeps pitches.

    """

    def __init__(self, rules: Rules) -> None:
        """Stand before the first bar."""
        super().__init__(rules)
        self._open = [self._places_of(strike) for strike in self._strikes]
        self._gaps = [self._gaps_after(at) for at in range(len(self._strikes))]
        self._follows: list[list[tuple[int, int]]] = [[] for _ in self._strikes]  # what each strike keeps a distance to
        for at, gaps in enumerate(self._gaps):
            for later, units in gaps.items():
                self._follows[later].append((at, units))
        self._latest = self._latest_onsets()
        self._onsets: list[int] = []  # of the strikes written
        self._ends: list[tuple[KeptNote, int]] = []

    def strike(self, pitch: int) -> None:
        """Strike a note here: the next one that is kept, or one of the composer's own before it."""
        self.keyboard.strike_anyhow(pitch, self.time)
        self._pitch = pitch
        note = self._next_note()
        if note is not None and not self._is_given():
            if self._n_struck == 0:
                self._onsets.append(self.time)
            self._n_struck += 1
            self._written.append(note.hand)

    def end(self, duration: int) -> None:
        """Say how long the note struck last is."""
        self.keyboard.end(self._pitch, self.time + duration)
        if self._n_struck:
            strike = self._strikes[self._at]
            self._ends.append((strike[self._n_struck - 1], self.time + duration))
            if self._n_struck == len(strike):
                self._at, self._n_struck = self._at + 1, 0

    def n_due(self) -> int:
        """Return how many notes are still to be struck at this position."""
        return len(self._strikes[self._at]) - self._n_struck if self._n_struck else 0

    def excuse(self) -> None:
        """Nothing is in the way that could be left out."""

    def strikeable(self, position: int, *, is_here: bool = False) -> NDArray[np.bool_]:
        """Return which pitches could be struck at a position: the next one that is kept, or none. bool [128]."""
        free = np.zeros(128, dtype=bool)
        note = self._next_note()
        if note is not None and ((is_here and self._n_struck) or position in self._usable()):
            free[note.pitch] = True
        return free

    def places(self, places: NDArray[np.intp], *, has_other_events: bool) -> NDArray[np.intp]:
        """Return the later places of this bar that may be used: none behind the last one for the next strike."""
        usable = self._usable()
        if not has_other_events:
            return usable[np.isin(usable, places)]
        if not self.owes():
            return places
        return places[places <= usable[-1]] if len(usable) else places[:0]

    def durations(self) -> NDArray[np.bool_]:
        """Return which durations the note struck last may have, from 1 grid unit on: bool [MAX_DURATION]."""
        rules = self.rules
        durations = rules.durations(self.position, rules.end - self.time)[1:].copy()
        note = self._strikes[self._at][self._n_struck - 1]
        longest = self._must_end(note) - self.time
        if rules.plan.given is not None:
            until_given = rules.plan.given.longest(self.time, note.pitch)
            longest = longest if until_given is None else min(longest, until_given)
        durations[max(longest, 1) :] = False
        return durations

    def leaves_a_way(self, kind: str, value: int, *, has_other_events: bool) -> bool:
        """Tell whether all later notes can be written if a token is taken."""
        is_waiting = kind == "Position" and has_other_events and self.owes()
        if not is_waiting or value in self._usable():
            return True
        later = self._usable()
        return len(later) > 0 and value < int(later[-1])  # something else is written there

    def bar_in_the_way(self) -> int | None:
        """Return the first bar whose pitches find no time or no place; None if all do."""
        for at, strike in enumerate(self._strikes):
            until = max(int(self.keyboard.down_until(note.pitch)) for note in strike)
            if self._latest[at] < max(until, 0):
                return strike[0].bar
        return None

    def _next_note(self) -> KeptNote | None:
        return self._strikes[self._at][self._n_struck] if self.owes() else None

    def _usable(self) -> NDArray[np.intp]:
        """Return the positions of this bar, from this one on, that the next strike may have."""
        if not self.owes() or self._n_struck:
            return np.zeros(0, dtype=np.intp)
        places = self._open[self._at]
        return places[places >= max(self._earliest() - self.rules.bar_starts[self.bar], self.position)]

    def _is_given(self) -> bool:
        """Tell whether the place where the idea stands belongs to the composer."""
        return self.bar == 0 and self.position < self.rules.plan.min_position

    def _earliest(self) -> int:
        """Return the first time at which the next strike can follow on what has been written."""
        strike = self._strikes[self._at]
        earliest = max(int(self.keyboard.down_until(note.pitch)) for note in strike)
        for before, units in self._follows[self._at]:
            earliest = max(earliest, self._onsets[before] + units)
        held = sorted(((end, note) for note, end in self._ends if end > earliest), key=itemgetter(0))
        for end, note in held:
            if self._is_in_the_way(note, strike):
                earliest = max(earliest, end)
        most = self.rules.bars[self.bar].max_voices
        for index, (end, note) in enumerate(held):
            n_fingers = sum(other.hand == note.hand for _, other in held[index:])
            n_fingers += sum(other.hand == note.hand for other in strike)
            has_too_many = self._has_hands and n_fingers > MAX_HELD
            if has_too_many or (most is not None and len(held) - index + len(strike) > most):
                earliest = max(earliest, end)
        return earliest

    def _must_end(self, note: KeptNote) -> int:
        """Return by when a note of the strike being written must end, so that it is in nobody's way."""
        limits = self.rules.bars
        n_hand = n_all = 0
        for index in range(self._at, len(self._strikes)):
            strike = self._strikes[index]
            n_hand += sum(other.hand == note.hand for other in strike)
            n_all += len(strike)
            most = limits[strike[0].bar].max_voices
            is_full = (self._has_hands and n_hand > MAX_HELD) or (most is not None and n_all > most)
            if index > self._at and (is_full or self._is_in_the_way(note, strike)):
                return self._latest[index]
        return self.rules.end

    def _is_in_the_way(self, note: KeptNote, strike: list[KeptNote]) -> bool:
        """Tell whether a note cannot be held while a strike is played."""
        for other in strike:
            if other.pitch == note.pitch:
                return True
            if self._has_hands and other.hand == note.hand and abs(other.pitch - note.pitch) > MAX_SPAN:
                return True
            if self._has_hands and other.hand != note.hand and (other.hand > note.hand) != (other.pitch > note.pitch):
                return True
        return False

    def _places_of(self, strike: list[KeptNote]) -> NDArray[np.intp]:
        """Return the positions of its bar at which a strike keeps to key, chords and range."""
        bar = strike[0].bar
        found = []
        for position in self.rules.places[bar].tolist():
            tones = self.rules.tones.at(bar, position)
            time = self.rules.bar_starts[bar] + position
            most = self.rules.bars[bar].max_voices
            has_voices = most is None or self.keyboard.n_sounding(time) + len(strike) <= most
            fits = has_voices and all(tones.allowed[note.pitch] for note in strike)
            is_bass = tones.span >= 0 and strike[0].pitch < BASS_BELOW
            if fits and (not is_bass or tones.first_bass[strike[0].pitch]):
                found.append(position)
        return np.array(found, dtype=np.intp)

    def _latest_onsets(self) -> list[int]:
        """Return the last onset of each strike that leaves time for the later ones; far before 0 where none does."""
        rules = self.rules
        latest = [_LONG_AGO] * len(self._strikes)
        for at in range(len(self._strikes) - 1, -1, -1):
            bar = self._strikes[at][0].bar
            times = rules.bar_starts[bar] + self._open[at]
            for later, units in self._gaps[at].items():
                times = times[times + units <= latest[later]]
            if at + 1 < len(self._strikes):
                shortest = np.array(
                    [rules.shortest(bar, int(time) - rules.bar_starts[bar]) for time in times], dtype=int
                )
                times = times[times + shortest <= latest[at + 1]]
            self._open[at] = (times - rules.bar_starts[bar]).astype(np.intp)
            if len(times):
                latest[at] = int(times[-1])
        return latest

    def _gaps_after(self, at: int) -> dict[int, int]:
        """Return the later strikes that follow on this one, and after how many grid units they can at the earliest.

        They are the next one, the next of each hand, which may have to leap, and the next with each of the pitches.
        """
        here = self._strikes[at]
        gaps: dict[int, int] = {}
        waiting = {note.hand for note in here} if self._has_hands else set()
        pitches = {note.pitch for note in here}
        for later in range(at + 1, len(self._strikes)):
            there = self._strikes[later]
            units = 1 if later == at + 1 else 0
            for hand in waiting & {note.hand for note in there}:
                mine = [note.pitch for note in here if note.hand == hand]
                its = [note.pitch for note in there if note.hand == hand]
                too_far = max(max(its) - min(mine), max(mine) - min(its)) - MAX_SPAN
                units = max(units, int(np.ceil(too_far / self._keys_per_unit - 1e-9)))
                waiting.discard(hand)
            again = pitches & {note.pitch for note in there}
            if again:
                units = max(units, self._again)
                pitches -= again
            if units > 0:
                gaps[later] = units
            if not waiting and not pitches and later > at + 1:
                break
        return gaps
