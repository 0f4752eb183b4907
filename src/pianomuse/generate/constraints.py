"""What an idea may say next: the grammar, narrowed by the plan, one token at a time.

`IdeaConstraints` follows one idea. What it allows is never empty and never leads to a dead end, because whatever opens
a group is offered only if the group can be finished, and outside a group the bar can always end:

- a Position is offered only if a note can be struck there, or a pedal or tempo event written. What the hands, voices
  and ringing notes allow only grows while time passes and nothing is struck, so the earliest such position decides.
- a Pitch can always be followed by a Velocity, and by the Duration that ends exactly where the new bars end or, if
  that is too far for one token, by the shortest of the grid.
- Bar (in the last bar: EOS) is open after every finished event. Two exceptions: the last bar does not end before the
  idea's first note as long as one can still be struck, so that an idea is never without notes while single bars may
  be; and a pedal that is down delays the end: EOS is taken as the wish to end, and the release is written first, at
  the last position of the last bar, which no other event may use.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pianomuse.generate.playable import HandSearch
from pianomuse.generate.rules import Rules
from pianomuse.tokens.grammar import Place
from pianomuse.tokens.vocabulary import MAX_DURATION

_LONG_AGO = -(10**9)
_STILL_DOWN = 10**9
_OPEN = ("Bar", "Position", "Pitch", "Velocity")  # kinds that something must follow


class IdeaNote(NamedTuple):
    """A note of an idea, times in grid units (24 per quarter) from the bar line of the first new bar."""

    onset: int
    duration: int
    pitch: int
    velocity: int


class IdeaConstraints:
    """Follow one idea: `allowed` tells what may come, `accept` takes what came.

    Args:
        rules: the tables of the plan. The composer's tokens of a broken-off bar are followed first, as they are.

    """

    def __init__(self, rules: Rules) -> None:
        """Stand where the plan's first bar breaks off, or before the first bar line."""
        plan = rules.plan
        self.rules = rules
        self.place = Place(pedal=plan.pedal_down)
        self.bar_index = -1
        self.time = 0
        self.notes: list[IdeaNote] = []
        self.is_finished = False
        self.n_forced_bar_ends = 0
        self._closing = False  # the end is decided, the pedal still to be released
        self._is_capped = False
        self._n_tokens_in_bar = 0
        self._pitch = self._velocity = 0
        self._until = np.full(128, _LONG_AGO)
        self._last_struck = np.full(128, _LONG_AGO)
        limits = rules.limits
        self._hands = HandSearch(limits.n_hands, limits.tempo_bpm) if limits.n_hands else None
        self._given = True
        for note in sorted(plan.ringing, key=lambda note: note.pitch):
            self._strike(int(note.pitch), _LONG_AGO)
            self._end(int(note.pitch), int(note.end_units))
        for token in plan.first_bar:
            self.accept(token)
        assert self.place.kind not in _OPEN, f"the first bar's tokens end after a {self.place.kind}, inside a group"
        self._given = False
        self._n_given = len(self._hands.hands()) if self._hands else 0
        self._n_tokens_in_bar = 0

    def allowed(self) -> NDArray[np.bool_]:
        """Return which tokens may come next: bool [V], at least one true."""
        rules, kind = self.rules, self.place.kind
        mask = rules.grammar.allowed(self.place)
        if kind == "Bar":
            mask[:] = False
            mask[rules.metre_ids[self.bar_index]] = True
        elif kind == "Pitch":
            if rules.velocity >= 0:
                mask[:] = False
                mask[rules.velocity] = True
        elif kind == "Velocity":
            ids = rules.duration_ids[1:]
            mask[ids] = rules.durations(self.place.position, rules.end - self.time)[1:]
        elif kind:
            self._narrow_events(mask)
        return mask

    def clipped(self) -> tuple[NDArray[np.intp], int] | None:
        """Return the Durations that reach the end of the new bars or beyond, and the one that is exactly that long.

        They mean the same to an idea that is clipped at its end, so their probabilities are one. None where the next
        token is no Duration or none reaches so far.
        """
        remaining = self.rules.end - self.time
        if self.place.kind != "Velocity" or remaining >= MAX_DURATION:
            return None
        ids = self.rules.duration_ids[remaining:]
        return ids, int(ids[0])

    def accept(self, token: int) -> bool:
        """Take the next token; return False if it is the wish to end that a pedal delays, and was not taken."""
        rules = self.rules
        kind, value = rules.kinds[token], rules.values[token]
        if kind == "EOS" and self.place.pedal and self._can_release():
            self._closing = True
            return False
        self.place = rules.grammar.advance(self.place, token)
        self._n_tokens_in_bar += 1
        if kind == "Bar":
            self.bar_index += 1
            self.time = rules.bar_starts[self.bar_index]
            self._n_tokens_in_bar = 1
            self._is_capped = False
        elif kind == "Position":
            self.time = rules.bar_starts[self.bar_index] + value
        elif kind == "Pitch":
            self._pitch = value
            self._strike(value, self.time)
        elif kind == "Velocity":
            self._velocity = value
        elif kind == "Duration":
            self._end(self._pitch, self.time + value)
            if not self._given:
                self.notes.append(IdeaNote(self.time, value, self._pitch, self._velocity))
        elif kind == "EOS":
            self.is_finished = True
        return True

    def hands(self) -> tuple[str, ...]:
        """Return the hand that can play each note, ``left`` or ``right``; empty where hands are no limit."""
        if self._hands is None:
            return ()
        return tuple(("left", "right")[which] for which in self._hands.hands()[self._n_given :])

    def _narrow_events(self, mask: NDArray[np.bool_]) -> None:
        rules, place = self.rules, self.place
        in_group = place.kind == "Position"
        is_last = self.bar_index == rules.plan.n_bars - 1
        if self._closing:
            mask[:] = False
            wanted = rules.pedal_off if in_group else rules.positions[rules.release_position]
            mask[rules.eos if place.position == rules.release_position and not in_group else wanted] = True
            return
        if self._n_tokens_in_bar >= rules.limits.max_tokens_per_bar and not in_group:
            self.n_forced_bar_ends += not self._is_capped
            self._is_capped = True
            mask[:] = False
            mask[rules.eos if is_last else rules.bar] = True
            return
        may_event = place.position >= (rules.plan.min_position if self.bar_index == 0 else 0)
        pitches = may_event and self._strikeable(self.time)[rules.pitches]
        mask[rules.pitch_ids] &= pitches
        mask[rules.pedal] &= may_event and rules.limits.may_pedal and not (is_last and not self._can_release())
        mask[rules.pedal_off] &= may_event
        mask[rules.tempos] &= may_event and rules.limits.may_change_tempo
        if in_group:
            mask[rules.eos] = mask[rules.bar] = False
            return
        later = self._later_positions()
        mask[rules.positions] = False
        mask[rules.positions[later]] = True
        mask[rules.bar] = not is_last
        mask[rules.eos] = is_last and (bool(self.notes) or not self._can_still_strike(mask, later))

    def _later_positions(self) -> NDArray[np.intp]:
        """Return the positions of this bar, after the current one, at which something can happen."""
        places = self.rules.places[self.bar_index]
        later = places[int(np.searchsorted(places, self.place.position, side="right")) :]
        limits = self.rules.limits
        if limits.may_pedal or limits.may_change_tempo or self.place.pedal:
            return later
        return later[self._first_strikeable(later) :]

    def _first_strikeable(self, places: NDArray[np.intp]) -> int:
        """Return the index of the first place where a note can be struck, len(places) if there is none."""
        start = self.rules.bar_starts[self.bar_index]
        low, high = 0, len(places)
        middle = 0  # most often it is the first; then it is a binary search
        while low < high:
            if self._strikeable(start + int(places[middle])).any():
                high = middle
            else:
                low = middle + 1
            middle = (low + high) // 2
        return low

    def _can_still_strike(self, mask: NDArray[np.bool_], later: NDArray[np.intp]) -> bool:
        if mask[self.rules.pitch_ids].any():
            return True
        start = self.rules.bar_starts[self.bar_index]
        return len(later) > 0 and bool(self._strikeable(start + int(later[-1])).any())

    def _strikeable(self, time: int) -> NDArray[np.bool_]:
        """Return which pitches could be struck at a time if nothing is struck before it: bool [128]."""
        sounding = self._until > time
        max_voices = self.rules.limits.max_voices
        if max_voices is not None and int(np.count_nonzero(sounding)) >= max_voices:
            return np.zeros(128, dtype=bool)
        free = self.rules.in_range & ~sounding
        if self._hands is not None:
            free &= time - self._last_struck >= self._hands.repetition_units
            reachable = np.zeros(128, dtype=bool)
            for low, high in self._hands.ranges(time):
                reachable[low : high + 1] = True
            free &= reachable
        return free

    def _can_release(self) -> bool:
        """Tell whether the release position of the last bar is still ahead; it is no earlier than the caret."""
        plan = self.rules.plan
        earliest = max(self.place.position + 1, plan.min_position if plan.n_bars == 1 else 0)
        return earliest <= self.rules.release_position

    def _strike(self, pitch: int, time: int) -> None:
        self._until[pitch] = _STILL_DOWN
        self._last_struck[pitch] = time
        if self._hands is not None and not self._hands.strike(pitch, time):
            # Only the composer's own notes come here: whatever they ask, the idea begins with hands that are free.
            self._hands.let_go()

    def _end(self, pitch: int, time: int) -> None:
        self._until[pitch] = time
        if self._hands is not None:
            self._hands.release_at(pitch, time)
