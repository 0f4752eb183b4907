"""What an idea may say next: the grammar, narrowed by the plan, one token at a time.

`IdeaConstraints` follows one idea. What it allows is never empty and never leads to a dead end, because whatever opens
a group is offered only if the group can be finished, and a bar can be ended as soon as it has what it owes:

- a Position is offered only if a note can be struck there, or a pedal or tempo event written. What the hands, voices
  and ringing notes allow only grows while time passes and nothing is struck, so where the same pitches may be struck in
  the whole bar, the earliest such position decides; under chords, a Position is looked at when it is drawn.
- a Pitch can always be followed by a Velocity, and by the Duration that ends exactly where the new bars end or, if
  that is too far for one token, by the shortest of the grid.
- Bar (in the last bar: EOS) is open after every finished event in a bar that owes nothing. Where a least number of
  notes or voices is asked, a token that is drawn is taken only if `lookahead` finds a way to write the rest; else it
  is refused until something else is taken. Since there was a way before, not all can be refused.
- Two exceptions: the last bar does not end before the idea's first note as long as one can still be struck, so that an
  idea is never without notes while single bars may be; and a pedal that is down delays the end: EOS is taken as the
  wish to end, and the release is written first, at the last position of the last bar, which no other event may use.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pianomuse.generate.kept_contour import KeptContour
from pianomuse.generate.kept_pitches import KeptPitches
from pianomuse.generate.kept_rhythm import KeptRhythm
from pianomuse.generate.progress import Progress
from pianomuse.generate.rules import Rules
from pianomuse.tokens.grammar import Place
from pianomuse.tokens.vocabulary import MAX_DURATION

_OPEN = ("Bar", "Position", "Pitch", "Velocity")  # kinds that something must follow


class IdeaNote(NamedTuple):
    """A note of an idea, times in grid units (24 per quarter) from the bar line of the first new bar."""

    onset: int
    duration: int
    pitch: int
    velocity: int


def progress_of(rules: Rules) -> Progress | KeptRhythm | KeptPitches:
    """Return what follows the notes of an idea of a plan."""
    kept = rules.plan.kept
    if kept is None:
        return Progress(rules)
    if kept.what == "pitches":
        return KeptPitches(rules)
    return KeptRhythm(rules) if kept.what == "rhythm" else KeptContour(rules)


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
        self.notes: list[IdeaNote] = []
        self.is_finished = False
        self.n_forced_bar_ends = 0
        self.n_broken_limits = 0
        self._closing = False  # the end is decided, the pedal still to be released
        self._is_capped = False
        self._n_tokens_in_bar = 0
        self._pitch = self._velocity = 0
        self._refused: list[int] = []
        self._progress = progress_of(rules)
        self._given = True
        for token in plan.first_bar:
            self.accept(token)
        assert self.place.kind not in _OPEN, f"the first bar's tokens end after a {self.place.kind}, inside a group"
        self._given = False
        if plan.first_bar:
            self._progress.move_to(self._progress.position)  # nothing has been struck by the idea
        self._n_given = len(self._progress.hands())
        self._n_tokens_in_bar = 0

    def allowed(self) -> NDArray[np.bool_]:
        """Return which tokens may come next: bool [V], at least one true."""
        mask = self._mask()
        mask[self._refused] = False
        return mask if mask.any() else self._last_resort()

    def clipped(self) -> tuple[NDArray[np.intp], int] | None:
        """Return the Durations that reach the end of the new bars or beyond, and the one that is exactly that long.

        They mean the same to an idea that is clipped at its end, so their probabilities are one. None where the next
        token is no Duration or none reaches so far.
        """
        remaining = self.rules.end - self._progress.time
        if self.place.kind != "Velocity" or remaining >= MAX_DURATION:
            return None
        ids = self.rules.duration_ids[remaining:]
        return ids, int(ids[0])

    def accept(self, token: int) -> bool:
        """Take the next token; return False if it was not taken.

        That is so for the wish to end that a pedal delays, and for a token after which a bar could not be given what it
        owes; `allowed` has taken note of it then.
        """
        rules, progress = self.rules, self._progress
        kind, value = rules.kinds[token], rules.values[token]
        if kind == "EOS" and self.place.pedal and self._can_release():
            self._closing = True
            return False
        is_free = not (self._given or self._closing)
        if is_free and not progress.leaves_a_way(kind, value, has_other_events=self._has_other_events()):
            self._refused.append(token)
            return False
        self._refused.clear()
        self.place = rules.grammar.advance(self.place, token)
        self._n_tokens_in_bar += 1
        if kind == "Bar":
            progress.begin_bar()
            self._n_tokens_in_bar = 1
            self._is_capped = False
        elif kind == "Position":
            progress.move_to(value)
        elif kind == "Pitch":
            self._pitch = value
            progress.strike(value)
        elif kind == "Velocity":
            self._velocity = value
        elif kind == "Duration":
            progress.end(value)
            if not self._given:
                self.notes.append(IdeaNote(progress.time, value, self._pitch, self._velocity))
        elif kind == "EOS":
            self.is_finished = True
        return True

    @property
    def bar_index(self) -> int:
        """The bar the idea stands in, from 0."""
        return self._progress.bar

    @property
    def time(self) -> int:
        """Where the idea stands, in grid units from the first bar line."""
        return self._progress.time

    def hands(self) -> tuple[str, ...]:
        """Return the hand that can play each note, ``left`` or ``right``; empty where hands are no limit."""
        own = self._progress.hands()[self._n_given :]
        given = self.rules.plan.given
        return tuple(given.hand if given is not None else ("left", "right")[which] for which in own)

    def _mask(self) -> NDArray[np.bool_]:
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
            mask[rules.duration_ids[1:]] = self._progress.durations()
        elif kind:
            self._narrow_events(mask)
        return mask

    def _narrow_events(self, mask: NDArray[np.bool_]) -> None:
        rules, place, progress = self.rules, self.place, self._progress
        in_group = place.kind == "Position"
        is_last = self.bar_index == rules.plan.n_bars - 1
        if self._closing:
            mask[:] = False
            wanted = rules.pedal_off if in_group else rules.positions[rules.release_position]
            mask[rules.eos if place.position == rules.release_position and not in_group else wanted] = True
            return
        owes = progress.owes()
        is_full = self._n_tokens_in_bar >= rules.limits.max_tokens_per_bar and not in_group
        self.n_forced_bar_ends += is_full and not self._is_capped
        self._is_capped = is_full
        if is_full and not owes:
            mask[:] = False
            mask[rules.eos if is_last else rules.bar] = True
            return
        may_event = place.position >= (rules.plan.min_position if self.bar_index == 0 else 0)
        mask[rules.pitch_ids] &= may_event and progress.strikeable(place.position, is_here=True)[rules.pitches]
        may_event = may_event and not is_full
        mask[rules.pedal] &= may_event and rules.limits.may_pedal and not (is_last and not self._can_release())
        mask[rules.pedal_off] &= may_event
        mask[rules.tempos] &= may_event and rules.limits.may_change_tempo
        if in_group:
            mask[rules.eos] = mask[rules.bar] = False
            return
        later = self._later_positions()
        mask[rules.positions] = False
        mask[rules.positions[later]] = progress.n_due() == 0
        mask[rules.bar] = not is_last and not owes
        mask[rules.eos] = is_last and not owes and (bool(self.notes) or not self._can_still_strike(mask, later))

    def _can_still_strike(self, mask: NDArray[np.bool_], later: NDArray[np.intp]) -> bool:
        return bool(mask[self.rules.pitch_ids].any()) or self._progress.can_strike_at(later)

    def _has_other_events(self) -> bool:
        limits = self.rules.limits
        return limits.may_pedal or limits.may_change_tempo or self.place.pedal

    def _later_positions(self) -> NDArray[np.intp]:
        """Return the positions of this bar, after the current one, at which something can happen."""
        places = self.rules.places[self.bar_index]
        later = places[int(np.searchsorted(places, self.place.position, side="right")) :]
        return self._progress.places(later, has_other_events=self._has_other_events())

    def _can_release(self) -> bool:
        """Tell whether the release position of the last bar is still ahead; it is no earlier than the caret."""
        plan = self.rules.plan
        earliest = max(self.place.position + 1, plan.min_position if plan.n_bars == 1 else 0)
        return earliest <= self.rules.release_position

    def _last_resort(self) -> NDArray[np.bool_]:
        """Take the hands off the keys, so that the bar comes to its end whatever happens; it is counted."""
        self.n_broken_limits += 1
        self._refused.clear()
        self._progress.excuse()
        mask = self._mask()
        if not mask.any() and self.place.kind == "Position":  # something must follow; any key that is up will do
            mask[self.rules.pitch_ids] = self._progress.keyboard.strikeable(self.time)[self.rules.pitches]
        return mask
