"""Where an idea stands in its bars: what has been struck, what could be, and what a bar still owes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pianomuse.generate.bar_limits import BASS_BELOW
from pianomuse.generate.lookahead import Lookahead, Stand
from pianomuse.generate.pins_ahead import PinsAhead
from pianomuse.generate.rules import Rules
from pianomuse.generate.tones import beside
from pianomuse.tokens.vocabulary import MAX_DURATION


class Progress:
    """Follow the notes of one idea.

    Args:
        rules: the tables of the plan.

    """

    def __init__(self, rules: Rules) -> None:
        """Stand before the first bar."""
        self.rules = rules
        self.keyboard = rules.new_keyboard()
        self.bar = -1
        self.time = 0
        self._lookahead = Lookahead(rules)
        self._pins = PinsAhead(rules)
        self._pitch = 0
        self._n_notes = 0  # struck in this bar
        self._struck: list[int] = []  # at this position
        self._struck_before: list[int] = []
        self._span = -1  # the chord whose first bass note has been struck
        self._is_excused = False

    @property
    def position(self) -> int:
        """Grid units from the bar line."""
        return self.time - self.rules.bar_starts[self.bar]

    def begin_bar(self) -> None:
        """Go over a bar line."""
        self.bar += 1
        self._n_notes = 0
        self._is_excused = False
        self.move_to(0)

    def move_to(self, position: int) -> None:
        """Go to a position of this bar."""
        self.time = self.rules.bar_starts[self.bar] + position
        if self._struck:
            self._struck_before, self._struck = self._struck, []

    def strike(self, pitch: int) -> None:
        """Strike a note here."""
        self._pitch = pitch
        self._n_notes += 1
        self._struck.append(pitch)
        if pitch < BASS_BELOW:
            self._span = self.rules.tones.at(self.bar, self.position).span
        # A hand is always found for a new note; for the composer's own, an idea begins with hands that are free.
        self.keyboard.strike_anyhow(pitch, self.time)
        self._pins.strike(pitch, self.time)

    def end(self, duration: int) -> None:
        """Say how long the note struck last is."""
        self.keyboard.end(self._pitch, self.time + duration)

    def n_due(self) -> int:
        """Return how many notes are still to be struck at this position, so that enough sound."""
        least = self.rules.bars[self.bar].min_voices
        if self._pins.is_due(self.time) and not self._is_excused:
            return 1
        if not self._struck or least <= 1 or self._is_excused:
            return 0
        return max(least - self.keyboard.n_sounding(self.time), 0)

    def owes(self) -> bool:
        """Tell whether the bar may not end yet."""
        if self._is_excused:
            return False
        has_few = self._n_notes < self.rules.bars[self.bar].min_notes
        return has_few or self.n_due() > 0 or self._pins.is_owed(self.bar)

    def excuse(self) -> None:
        """Let the bar end without what it owes, and free the hands."""
        self._is_excused = True
        self._pins.skip(self.bar)
        self.keyboard.let_go()

    def strikeable(self, position: int, *, is_here: bool = False) -> NDArray[np.bool_]:
        """Return which pitches could be struck at a position of this bar if nothing is struck before it: bool [128].

        Args:
            position: in grid units from the bar line.
            is_here: it is the position where the idea stands.

        """
        rules, limits = self.rules, self.rules.bars[self.bar]
        time = rules.bar_starts[self.bar] + position
        has_all_voices = limits.max_voices is not None and self.keyboard.n_sounding(time) >= limits.max_voices
        if position < 0 or has_all_voices or self._has_all_notes():
            return np.zeros(128, dtype=bool)
        tones = rules.tones.at(self.bar, position)
        has_bass = tones.span < 0 or self._span == tones.span
        wanted = tones.allowed if has_bass else tones.first_bass
        if tones.may_pass:
            steps = beside(self._struck_before if is_here else self._struck or self._struck_before) & tones.in_range
            if not has_bass:
                steps[:BASS_BELOW] = False
            wanted = wanted | steps
        if self._pins:
            wanted = self._pins.mask(time, wanted, rules.shortest(self.bar, position))
        return self.keyboard.strikeable(time) & wanted

    def hands(self) -> list[int]:
        """Return the hand of every note struck so far, 0 left, 1 right; empty where hands are no limit."""
        return self.keyboard.hands()

    def places(self, places: NDArray[np.intp], *, has_other_events: bool) -> NDArray[np.intp]:
        """Return those of some later places of this bar at which something may be written, as far as a look tells."""
        places = self._pins.places(self.bar, places)
        if has_other_events:
            return places
        if self._has_all_notes():
            return places[:0]
        return places[self._first_strikeable(places) :] if self.rules.tones.is_even(self.bar) else places

    def can_strike_at(self, places: NDArray[np.intp]) -> bool:
        """Tell whether a note can be struck at one of some later places of this bar."""
        if self.rules.tones.is_even(self.bar):
            places = places[-1:]
        return any(self.strikeable(int(position)).any() for position in places)

    def durations(self) -> NDArray[np.bool_]:
        """Return which durations the note struck last may have, from 1 grid unit on: bool [MAX_DURATION]."""
        rules = self.rules
        durations = rules.durations(self.position, rules.end - self.time)[1:].copy()
        durations[self._longest() :] = False
        if self._pins.is_held(self._pitch):
            durations[: int(np.flatnonzero(durations)[-1])] = False
        return durations

    def leaves_a_way(self, kind: str, value: int, *, has_other_events: bool) -> bool:
        """Tell whether the bars can be given all they owe, and all pins be played, if a token is taken.

        Args:
            kind: of the token.
            value: its position, pitch or duration.
            has_other_events: something other than notes can be written at a position.

        """
        if kind not in ("Position", "Pitch", "Duration") or self._is_excused:
            return True
        if self._pins and not self._leaves_pins(kind, value, has_other_events=has_other_events):
            return False
        rules, limits = self.rules, self.rules.bars[self.bar]
        owes_more = self._n_notes + (kind == "Pitch") < limits.min_notes or limits.min_voices > 1
        if kind == "Position":
            return self._is_open(value, owes_more=owes_more, has_other_events=has_other_events)
        if not owes_more and not rules.is_owed[self.bar + 1]:
            return True
        if kind == "Duration" and self.time + value <= self._next_place():
            return True  # for all that follows as good as the shortest one, with which the pitch was taken
        trial, stand = self.keyboard.copy(), self._stand()
        if kind == "Pitch":
            trial.strike(value, self.time)
            trial.end(value, self._pins.end_of(self.time, rules.shortest(self.bar, self.position)))
            has_bass = value < BASS_BELOW
            span = rules.tones.at(self.bar, self.position).span if has_bass else stand.span
            stand = stand._replace(floor=value, span=span, n_notes=stand.n_notes + 1)
        else:
            trial.end(self._pitch, self.time + value)
        return self._lookahead.can_write(trial, stand, max(limits.min_voices - trial.n_sounding(self.time), 0))

    def _leaves_pins(self, kind: str, value: int, *, has_other_events: bool) -> bool:
        """Tell whether all pins can still be played if a token is taken."""
        if kind == "Duration":
            trial = self.keyboard.copy()
            trial.end(self._pitch, self.time + value)
            return self._pins.can_follow(trial, n_notes=self._n_notes, bar=self.bar)
        if kind == "Pitch":
            return self._leaves_pins_after(value, self.position)
        if has_other_events:
            return True
        return any(self._leaves_pins_after(int(p), value) for p in np.flatnonzero(self.strikeable(value)))

    def _leaves_pins_after(self, pitch: int, position: int) -> bool:
        """Tell whether all pins can still be played after a note at a position."""
        rules, time = self.rules, self.rules.bar_starts[self.bar] + position
        trial = self.keyboard.copy()
        if not trial.strike(pitch, time):
            return False
        trial.end(pitch, self._pins.end_of(time, rules.shortest(self.bar, position)))
        return self._pins.can_follow(trial, after=pitch, time=time, n_notes=self._n_notes + 1, bar=self.bar)

    def _is_open(self, position: int, *, owes_more: bool, has_other_events: bool) -> bool:
        """Tell whether something can be written at a position, and after it what is owed."""
        rules, limits = self.rules, self.rules.bars[self.bar]
        if not owes_more and self._leaves_room():
            is_known = has_other_events or rules.tones.is_even(self.bar)
            return is_known or bool(self.strikeable(position).any())
        n_now = max(limits.min_voices - self.keyboard.n_sounding(rules.bar_starts[self.bar] + position), 1)
        stand = self._stand()._replace(position=position, floor=-1)
        if self._lookahead.can_write(self.keyboard, stand, n_now):
            return True
        return has_other_events and self._lookahead.can_write(self.keyboard, stand, 0)

    def _next_place(self) -> int:
        """Return the time of the next place of this bar; where there is none, of the bar line."""
        start, places = self.rules.bar_starts[self.bar], self.rules.places[self.bar]
        later = int(np.searchsorted(places, self.position, side="right"))
        return start + int(places[later]) if later < len(places) else self.rules.bar_starts[self.bar + 1]

    def _leaves_room(self) -> bool:
        """Tell whether the bars after this one surely have room for what they owe, whatever is struck in this one."""
        rules, later = self.rules, self.bar + 1
        if not rules.is_owed[later]:
            return True
        return rules.is_roomy[later] and self.keyboard.free_from() <= rules.bar_starts[later]

    def _stand(self) -> Stand:
        return Stand(self.bar, self.position, max(self._struck, default=-1), self._span, self._n_notes)

    def _has_all_notes(self) -> bool:
        most = self.rules.bars[self.bar].max_notes
        return most is not None and self._n_notes >= most

    def _first_strikeable(self, places: Sequence[int] | NDArray[np.intp]) -> int:
        """Return the index of the first place where a note can be struck, len(places) if there is none."""
        low, high = 0, len(places)
        middle = 0  # most often it is the first; then it is a binary search
        while low < high:
            if self.strikeable(int(places[middle])).any():
                high = middle
            else:
                low = middle + 1
            middle = (low + high) // 2
        return low

    def _longest(self) -> int:
        """Return how long a note may be at most, so that it crosses no given note and later bars keep their voices."""
        rules, given = self.rules, self.rules.plan.given
        until_given = given.longest(self.time, self._pitch) if given is not None else None
        until_pin = self._pins.longest(self.time)
        longest = min(MAX_DURATION if until is None else until for until in (until_given, until_pin))
        for bar in range(self.bar + 1, rules.plan.n_bars):
            start, most = rules.bar_starts[bar], rules.bars[bar].max_voices
            if start - self.time > MAX_DURATION:
                break
            if most is not None and self.keyboard.n_sounding(start) > most:
                return min(start - self.time, longest)
        return longest
