"""Whether a bar's least number of notes and of voices can still be written: what is drawn is taken only if they can.

`can_write` looks for one way: it strikes what is owed at the next places, each note as short as possible, and finds it
by trying. What it has found stays possible until something else is taken, and that is taken only if a way is found
again; so there always is one. Where no key will be down, `Rules.room` knows the answer without trying.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pianomuse.generate.bar_limits import BASS_BELOW
from pianomuse.generate.keyboard import Keyboard
from pianomuse.generate.playable import MAX_HELD
from pianomuse.generate.rules import Rules

_TRIES = 8
_MIDDLE = 60
_NOTES_AT_ONCE = (1, 2, 5)
_BARS_AHEAD = 3


class Stand(NamedTuple):
    """Where an idea stands in a bar.

    Args:
        bar: index of the bar.
        position: in it, in grid units; −1 before its first.
        floor: notes at this position are struck above this pitch.
        span: the chord whose first bass note has been struck.
        n_notes: struck in the bar so far.

    """

    bar: int
    position: int
    floor: int
    span: int
    n_notes: int


class Lookahead:
    """Look for ways to write what a bar owes.

    Args:
        rules: of the plan.

    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules

    def can_write(self, keyboard: Keyboard, stand: Stand, n_now: int) -> bool:
        """Tell whether so many notes or more can be struck at this position, and then all that the bars owe.

        Args:
            keyboard: with the ends of all notes known; it stays as it is.
            stand: where the idea is.
            n_now: notes to be struck at this position at least.

        """
        owed = self.rules.bars[stand.bar].min_notes - stand.n_notes
        if n_now == 0 and self._can_go_on(keyboard, stand):
            return True
        if stand.position < 0:
            return False
        time = self.rules.bar_starts[stand.bar] + stand.position
        least = max(n_now, self.rules.bars[stand.bar].min_voices - keyboard.n_sounding(time), 1)
        for n_notes in range(least, max(least, min(owed, MAX_HELD)) + 1):
            struck = self._strike(keyboard, stand, n_notes)
            if struck is None:
                return False
            if self._can_go_on(*struck):
                return True
        return False

    def can_begin(self, keyboard: Keyboard, bar: int) -> bool:
        """Tell whether anything can be struck in a bar, as many notes at once as it asks."""
        limits, start = self.rules.bars[bar], self.rules.bar_starts[bar]
        for position in self.rules.places[bar].tolist():
            least = max(limits.min_voices - keyboard.n_sounding(start + position), 1)
            if self._strike(keyboard, Stand(bar, position, -1, -1, 0), least) is not None:
                return True
        return False

    def _can_go_on(self, keyboard: Keyboard, stand: Stand, n_bars: int = _BARS_AHEAD) -> bool:
        """Tell whether the places after this one have room for all that the bar owes, and the next bars too."""
        limits = self.rules.bars[stand.bar]
        owed = limits.min_notes - stand.n_notes
        if owed <= 0:
            return self._can_write_later(keyboard, stand.bar, n_bars)
        free_from = max(keyboard.free_from() - self.rules.bar_starts[stand.bar], stand.position + 1)
        has_room = limits.min_voices <= 1 and self.rules.room(stand.bar, free_from) >= owed
        if has_room and self.rules.is_roomy[stand.bar + 1]:
            return True
        return any(self._can_fill(keyboard, stand, n_at_once, n_bars) for n_at_once in _NOTES_AT_ONCE)

    def _can_write_later(self, keyboard: Keyboard, bar: int, n_bars: int) -> bool:
        """Tell whether the bars after this one can be given what they owe."""
        rules, later = self.rules, bar + 1
        if later == len(rules.bars) or n_bars == 0:
            return True
        if rules.is_roomy[later] and keyboard.free_from() <= rules.bar_starts[later]:
            return True
        return self._can_go_on(keyboard, Stand(later, -1, -1, -1, 0), n_bars - 1)

    def _can_fill(self, keyboard: Keyboard, stand: Stand, n_at_once: int, n_bars: int) -> bool:
        """Tell whether striking so many notes at each of the next places gives the bar all that it owes."""
        limits, start = self.rules.bars[stand.bar], self.rules.bar_starts[stand.bar]
        places = self.rules.places[stand.bar]
        for position in places[int(np.searchsorted(places, stand.position, side="right")) :].tolist():
            n_held = keyboard.n_sounding(start + position)
            least = max(limits.min_voices - n_held, 1)
            wanted = max(least, min(n_at_once, limits.min_notes - stand.n_notes))
            struck = None
            for n_notes in dict.fromkeys((wanted, least)):
                struck = struck or self._strike(keyboard, stand._replace(position=position, floor=-1), n_notes)
            if struck is not None:
                keyboard, stand = struck
                if stand.n_notes >= limits.min_notes:
                    return self._can_write_later(keyboard, stand.bar, n_bars)
        return False

    def _strike(self, keyboard: Keyboard, stand: Stand, n_notes: int) -> tuple[Keyboard, Stand] | None:
        """Strike notes at a place, as short as possible; return None if no way is found."""
        rules, limits = self.rules, self.rules.bars[stand.bar]
        time = rules.bar_starts[stand.bar] + stand.position
        if limits.max_notes is not None and stand.n_notes + n_notes > limits.max_notes:
            return None
        if limits.max_voices is not None and keyboard.n_sounding(time) + n_notes > limits.max_voices:
            return None
        tones = rules.tones.at(stand.bar, stand.position)
        free = keyboard.strikeable(time)
        free[: stand.floor + 1] = False
        has_bass = tones.span < 0 or stand.span == tones.span
        first = np.flatnonzero(free & (tones.allowed if has_bass else tones.first_bass))
        near = keyboard.last_pitch if keyboard.last_pitch >= 0 else _MIDDLE
        end = time + rules.shortest(stand.bar, stand.position)
        for pitch in first[np.argsort(np.abs(first - near), kind="stable")][:_TRIES].tolist():
            taken = [pitch]
            trial = keyboard.copy()
            trial.strike(pitch, time)
            has_bass_now = has_bass or pitch < BASS_BELOW
            above = np.flatnonzero(free & (tones.allowed if has_bass_now else tones.first_bass))
            for other in above[above > pitch].tolist():
                if len(taken) == n_notes:
                    break
                if trial.strike(other, time):
                    taken.append(other)
            if len(taken) == n_notes:
                for other in taken:
                    trial.end(other, end)
                span = tones.span if has_bass_now else stand.span
                return trial, stand._replace(floor=taken[-1], span=span, n_notes=stand.n_notes + n_notes)
        return None
