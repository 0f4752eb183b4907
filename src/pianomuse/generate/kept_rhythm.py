"""Ideas that keep a rhythm: every note has its place, its length and its hand; pitches are free.

Why there is always a way. Think of each hand as staying where it is: two intervals of keys, no wider than a tenth, the
left hand's below the right hand's, each within reach of what that hand struck last and holds. If every later strike
finds enough keys in them that are allowed and not held, all of them can be played there without a leap. How wide an
interval has to be from each key on is looked up in tables made once; a pitch is taken only if two such intervals are
left, and one inside them always is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pianomuse.generate.bar_limits import BASS_BELOW
from pianomuse.generate.kept import KeptNote
from pianomuse.generate.kept_notes import KeptNotes
from pianomuse.generate.keyboard import Keyboard
from pianomuse.generate.playable import MAX_SPAN
from pianomuse.generate.resting_hand import KEYS, NEVER, RestingHand, reaches
from pianomuse.generate.rules import Rules
from pianomuse.tokens.vocabulary import MAX_DURATION


class KeptRhythm(KeptNotes):
    """Follow an idea that keeps a rhythm, as `Progress` follows a free one.

    Args:
        rules: the tables of a plan that keeps a rhythm.

    """

    def __init__(self, rules: Rules) -> None:
        """Stand before the first bar."""
        super().__init__(rules)
        self._span_limit = MAX_SPAN if self._has_hands else 127
        self._times = [rules.bar_starts[strike[0].bar] + strike[0].position for strike in self._strikes]
        self._own = [self._reaches_of(hand) for hand in (0, 1)]
        self._need = [np.maximum.accumulate(own[::-1], axis=0)[::-1] for own in self._own]
        self._hands = [RestingHand(), RestingHand()]
        self._is_placed = False  # a position of this bar has been said
        self._span = -1

    def begin_bar(self) -> None:
        """Go over a bar line."""
        super().begin_bar()
        self._is_placed = False

    def move_to(self, position: int) -> None:
        """Go to a position of this bar."""
        super().move_to(position)
        self._is_placed = True

    def strike(self, pitch: int) -> None:
        """Strike a note here: the next one of the rhythm, or one of the composer's own before it."""
        self.keyboard.strike_anyhow(pitch, self.time)
        self._pitch = pitch
        if pitch < BASS_BELOW:
            self._span = self.rules.tones.at(self.bar, self.position).span
        if self._is_on_strike():
            note = self._strikes[self._at][self._n_struck]
            self._hands[note.hand].strike(pitch, self.time, self.time + note.duration)
            self._written.append(note.hand)

    def end(self, duration: int) -> None:
        """Say how long the note struck last is."""
        self.keyboard.end(self._pitch, self.time + duration)
        if self._is_on_strike():
            self._n_struck += 1
            if self._n_struck == len(self._strikes[self._at]):
                self._at, self._n_struck, self._pitch = self._at + 1, 0, -1

    def n_due(self) -> int:
        """Return how many notes are still to be struck at this position."""
        return len(self._strikes[self._at]) - self._n_struck if self._is_on_strike() else 0

    def excuse(self) -> None:
        """Let the hands be anywhere."""
        self._hands = [RestingHand(), RestingHand()]

    def strikeable(self, position: int, *, is_here: bool = False) -> NDArray[np.bool_]:
        """Return which pitches the next note of the rhythm could have: bool [128]."""
        if not (is_here and self._is_on_strike()) or position < 0:
            return np.zeros(128, dtype=bool)
        note = self._strikes[self._at][self._n_struck]
        tones = self.rules.tones.at(self.bar, position)
        has_bass = tones.span < 0 or self._span == tones.span
        return self._free(note, tones.allowed if has_bass else tones.first_bass)

    def places(self, places: NDArray[np.intp], *, has_other_events: bool) -> NDArray[np.intp]:
        """Return the later places of this bar that may be used: that of the next strike, others only before it."""
        if not self.owes():
            return places if has_other_events else places[:0]
        following = self._strikes[self._at][0].position
        if not has_other_events:
            return np.array([following])
        return np.append(places[places < following], following)

    def durations(self) -> NDArray[np.bool_]:
        """Return which durations the note struck last may have, from 1 grid unit on: bool [MAX_DURATION]."""
        durations = np.zeros(MAX_DURATION, dtype=bool)
        durations[self._strikes[self._at][self._n_struck].duration - 1] = True
        return durations

    def leaves_a_way(self, kind: str, value: int, *, has_other_events: bool) -> bool:
        """Tell whether all later notes can be written if a token is taken."""
        if kind != "Pitch":
            return True
        note = self._strikes[self._at][self._n_struck]
        hands = list(self._hands)
        hands[note.hand] = hands[note.hand].copy()
        hands[note.hand].strike(value, self.time, self.time + note.duration)
        return self._can_stay(hands, value)

    def bar_in_the_way(self) -> int | None:
        """Return the first bar up to which no places of the hands are wide enough; None if there are such places."""
        for at, strike in enumerate(self._strikes):
            edges = [np.max(own[: at + 1], axis=0) for own in self._own]
            fits = [np.flatnonzero(edge <= KEYS + self._span_limit) for edge in edges]
            if not all(map(len, fits)) or (self._has_hands and edges[0][fits[0]].min() >= fits[1].max()):
                return strike[0].bar
        return None

    def _is_on_strike(self) -> bool:
        return self._is_placed and self._at < len(self._strikes) and self._times[self._at] == self.time

    def _free(self, note: KeptNote, tones: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the pitches in reach that are not held: bool [128]."""
        return tones & self._playable(note, self.keyboard, self._hands, self.time)

    def _playable(self, note: KeptNote, keyboard: Keyboard, hands: list[RestingHand], time: int) -> NDArray[np.bool_]:
        """Return the keys that a note's hand can strike at a time, whatever the harmony: bool [128]."""
        free = keyboard.strikeable(time) & ~keyboard.struck_since(time - self._again + 1)
        free &= self._uncrossed(time, note.duration)
        low, high = self._reach(hands, note.hand, time)
        free[: max(low, 0)] = False
        free[high + 1 :] = False
        return free

    def _reach(self, hands: list[RestingHand], which: int, time: int) -> tuple[int, int]:
        """Return the lowest and highest key that a hand reaches at a time, with what both hands hold."""
        if not self._has_hands:
            return 0, 127
        hand, low, high = hands[which], 0, 127
        is_begun = hand.time == time
        before = (hand.low_before, hand.high_before, hand.time_before) if is_begun else (hand.low, hand.high, hand.time)
        if before[0] >= 0:
            reach = MAX_SPAN + int((time - before[2]) * self._keys_per_unit + 1e-9)
            low = max(before[1], hand.high if is_begun else -1) - reach
            high = min(before[0], hand.low if is_begun else 127) + reach
        held = [pitch for pitch, end in hand.held.items() if end > time]
        if held:
            low, high = max(low, max(held) - MAX_SPAN), min(high, min(held) + MAX_SPAN)
        others = [pitch for pitch, end in hands[1 - which].held.items() if end > time]
        if which:
            return max([low, *(pitch + 1 for pitch in others)]), min(high, 127)
        return low, min([high, 127, *(pitch - 1 for pitch in others)])

    def _can_stay(self, hands: list[RestingHand], floor: int) -> bool:
        """Tell whether both hands can play all that follows without leaping.

        Args:
            hands: as they are once a note of the strike here has been struck.
            floor: the pitch of that note; the others of its strike are above.

        """
        edges = []
        for which in (0, 1):
            need = np.maximum(self._need[which][self._at + 1], self._need_now(hands, which, floor))
            low, high = self._stays_in(hands[which])
            starts = (low <= KEYS) & (need <= np.minimum(KEYS + self._span_limit, high))
            if not starts.any():
                return False
            edges.append(int(need[starts].min()) if which == 0 else int(np.flatnonzero(starts).max()))
        if not self._has_hands:
            return True
        left_held = [pitch for pitch, end in hands[0].held.items() if end > self.time]
        right_held = [pitch for pitch, end in hands[1].held.items() if end > self.time]
        top, bottom = edges
        return top < min([bottom, *right_held]) and bottom > max([-1, *left_held])

    def _stays_in(self, hand: RestingHand) -> tuple[int, int]:
        """Return the keys a hand reaches from now on without leaping."""
        if not self._has_hands or hand.low < 0:
            return 0, 127
        held = [pitch for pitch, end in hand.held.items() if end > self.time]
        return max([hand.high, *held]) - MAX_SPAN, min([hand.low, *held]) + MAX_SPAN

    def _need_now(self, hands: list[RestingHand], which: int, floor: int) -> NDArray[np.int64]:
        """Return, for an interval that begins at each key, the key it must reach for the rest of this strike."""
        rest = [note for note in self._strikes[self._at][self._n_struck + 1 :] if note.hand == which]
        if not rest:
            return np.full(128, -1)
        tones = self.rules.tones.at(self.bar, self.position)
        has_bass = tones.span < 0 or self._span == tones.span or floor < BASS_BELOW
        free = self.keyboard.strikeable(self.time) & (tones.allowed if has_bass else tones.first_bass)
        free &= ~self.keyboard.struck_since(self.time - self._again + 1)
        free &= self._uncrossed(self.time, max(note.duration for note in rest))
        low, high = self._reach(hands, which, self.time)
        free[: max(low, floor + 1, 0)] = False
        free[high + 1 :] = False
        return reaches(np.flatnonzero(free), len(rest))

    def _reaches_of(self, hand: int) -> NDArray[np.int64]:
        """Return, for every strike and key, how far an interval of keys that begins there must reach for that strike.

        int64 [n_strikes + 1, 128]; −1 where nothing is needed, as behind the last strike.
        """
        own = np.full((len(self._strikes) + 1, 128), -1)
        for index, strike in enumerate(self._strikes):
            n_notes = sum(note.hand == hand for note in strike)
            if n_notes == 0:
                continue
            n_busy = self._n_busy(index, hand)
            tones = self.rules.tones.at(strike[0].bar, strike[0].position)
            free = self._uncrossed(self._times[index], max(note.duration for note in strike))
            allowed = np.flatnonzero(tones.allowed & free)
            own[index] = reaches(allowed, n_notes + n_busy)
            if tones.span >= 0 and strike[0].hand == hand:
                roots = reaches(np.flatnonzero(tones.first_bass & free), 1 + n_busy)
                above = np.append(reaches(allowed, n_notes - 1 + n_busy), [NEVER] * NEVER)
                own[index] = np.maximum(own[index], np.maximum(roots, above[roots + 1]))
        return own

    def _uncrossed(self, time: int, duration: int) -> NDArray[np.bool_]:
        """Return the pitches that cross no given note: bool [128]."""
        given = self.rules.plan.given
        return given.allowed(time, duration) if given is not None else np.ones(128, dtype=bool)

    def _n_busy(self, index: int, hand: int) -> int:
        """Return how many keys a hand cannot strike at a strike because it holds them or struck them just before."""
        time = self._times[index]
        return sum(
            note.hand == hand and (start + note.duration > time or time - start < self._again)
            for start, strike in zip(self._times[:index], self._strikes[:index], strict=True)
            for note in strike
        )
