"""What pins ask of everything before them, and at them.

Everything an idea writes before a pin leaves it possible: notes end there at the latest, and a note is taken only if
the hands can still play the pin behind it, and the next two. Time only frees hands, so what is possible stays so.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pianomuse.generate.keyboard import Keyboard
from pianomuse.generate.rules import Rules

_KEYS = np.arange(128)
_PINS_AHEAD = 3
_TRIES = 8
_MIDDLE = 60


class PinsAhead:
    """Follow the pins of one idea.

    Args:
        rules: the tables of the plan.

    """

    def __init__(self, rules: Rules) -> None:
        """Stand before the first pin."""
        self._rules = rules
        self._pins = rules.plan.pins
        self._times = [rules.bar_starts[pin.bar] + pin.position for pin in self._pins]
        self._next = 0
        self._is_begun = False  # its lowest note is struck, its highest not yet
        self._closed = -1  # when a highest note was struck
        self._floor = -1  # the bass note that is held to the end
        self._is_over = False

    def __bool__(self) -> bool:
        """Tell whether there are any pins."""
        return bool(self._pins)

    def is_due(self, time: int) -> bool:
        """Tell whether a note must be struck at a time to finish a pin that is begun."""
        return self._is_begun and self._times[self._next] == time

    def is_at(self, time: int) -> bool:
        """Tell whether the next pin stands at a time."""
        return self._next < len(self._pins) and self._times[self._next] == time

    def is_owed(self, bar: int) -> bool:
        """Tell whether a pin of a bar is not struck yet."""
        return self._next < len(self._pins) and self._pins[self._next].bar == bar

    def places(self, bar: int, places: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the places of a bar that do not pass over a pin; none after the last."""
        if self._is_over:
            return places[:0]
        return places[places <= self._pins[self._next].position] if self.is_owed(bar) else places

    def mask(self, time: int, tones: NDArray[np.bool_], shortest: int) -> NDArray[np.bool_]:
        """Return which of some tones may be struck at a time: bool [128].

        Args:
            time: in grid units.
            tones: bool [128].
            shortest: duration of a note there.

        """
        if self._is_over and time != self._times[-1]:
            return np.zeros(128, dtype=bool)
        if time == self._closed:
            return np.zeros(128, dtype=bool)
        if self._next < len(self._pins):
            when = self._times[self._next]
            if time == when:
                return self._pins[self._next].mask(tones, is_begun=self._is_begun)
            if time + shortest > when:
                return np.zeros(128, dtype=bool)
        if self._next and time == self._times[self._next - 1]:
            tones = self._pins[self._next - 1].mask(tones, is_begun=True)
        if self._floor >= 0:
            tones = tones & (self._floor < _KEYS)
        return tones

    def strike(self, pitch: int, time: int) -> None:
        """Follow a note that is struck."""
        if self._next == len(self._pins) or time != self._times[self._next]:
            return
        pin = self._pins[self._next]
        if pin.holds_bass and not self._is_begun:
            self._floor = pitch
        self._is_begun = pin.top not in (-1, pitch)
        if self._is_begun:
            return
        self._next += 1
        self._is_over = pin.is_last
        if pin.top >= 0:
            self._closed = time

    def skip(self, bar: int) -> None:
        """Give up the pins of a bar."""
        while self.is_owed(bar):
            self._next, self._is_begun = self._next + 1, False

    def longest(self, time: int) -> int | None:
        """Return how long a note struck at a time may be; None for as long as it likes."""
        later = [when for when in self._times[self._next :] if when > time]
        return later[0] - time if later else None

    def is_held(self, pitch: int) -> bool:
        """Tell whether a note is held to the end."""
        return self._floor >= 0 and pitch == self._floor

    def can_follow(
        self, keyboard: Keyboard, *, after: int = -1, time: int = -1, n_notes: int = 0, bar: int = -1
    ) -> bool:
        """Tell whether the next pins can be played.

        Args:
            keyboard: with the ends of all notes known; it stays as it is.
            after: a pitch that has just been struck on it, at `time`; −1: none.
            time: of it.
            n_notes: struck in the bar so far.
            bar: where the idea stands.

        """
        first, is_begun = self._next, self._is_begun
        if after >= 0 and first < len(self._pins) and self._times[first] == time:
            is_begun = self._pins[first].top not in (-1, after)
            first += not is_begun
        for index in range(first, min(first + _PINS_AHEAD, len(self._pins))):
            pin, limits = self._pins[index], self._rules.bars[self._pins[index].bar]
            struck = self._played(keyboard, index, is_begun=is_begun and index == first)
            if struck is None:
                return False
            keyboard, n_struck = struck
            n_notes = (n_notes if pin.bar == bar else 0) + n_struck
            bar = pin.bar
            if limits.max_notes is not None and n_notes > limits.max_notes:
                return False
        return True

    def bar_in_the_way(self) -> int | None:
        """Return the first bar whose pins cannot be played even if nothing stands before them; None if all can."""
        places = self._rules.places
        for index, pin in enumerate(self._pins):
            if pin.position not in places[pin.bar]:
                return pin.bar
            self._next = index
            if self._played(self._rules.new_keyboard(), index, is_begun=False) is None:
                return pin.bar
        self._next = 0
        return None if self.can_follow(self._rules.new_keyboard()) else self._pins[0].bar

    def end_of(self, time: int, shortest: int) -> int:
        """Return when a note struck at a time ends at the earliest: one that is to be held, with the new bars."""
        is_held = self.is_at(time) and self._pins[self._next].holds_bass and not self._is_begun
        return self._rules.end if is_held else time + shortest

    def _played(self, keyboard: Keyboard, index: int, *, is_begun: bool) -> tuple[Keyboard, int] | None:
        """Play a pin as short as possible; return the keyboard after it and how many notes, None if it cannot be."""
        rules, pin, time = self._rules, self._pins[index], self._times[index]
        tones, most = rules.tones.at(pin.bar, pin.position), rules.bars[pin.bar].max_voices
        first = pin.mask(tones.allowed if is_begun else tones.first_bass, is_begun=is_begun)
        free = keyboard.strikeable(time)
        if pin.top >= 0 and not free[pin.top]:  # held, or struck too short a time before
            return None
        ways = np.flatnonzero(first & free & tones.in_range)
        near = keyboard.last_pitch if keyboard.last_pitch >= 0 else _MIDDLE
        nearest = [] if is_begun else ways[np.argsort(np.abs(ways - near), kind="stable")][:_TRIES].tolist()
        for pitch in dict.fromkeys((*ways[ways == pin.top].tolist(), *nearest)):
            wanted = (pitch,) if pin.top in (-1, pitch) else (pitch, pin.top)
            trial = keyboard.copy()
            has_voices = most is None or keyboard.n_sounding(time) + len(wanted) <= most
            if has_voices and all(trial.strike(key, time) for key in wanted):
                for key in wanted:
                    is_held = pin.holds_bass and key == pitch and not is_begun
                    trial.end(key, rules.end if is_held else time + rules.shortest(pin.bar, pin.position))
                return trial, len(wanted)
        return None
