"""A plan as tables over the vocabulary: looked up once, shared by all ideas of the plan."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pianomuse.generate.keyboard import Keyboard
from pianomuse.generate.plan import Plan
from pianomuse.generate.tones import ToneTable, has_tone_everywhere
from pianomuse.tokens.grammar import Grammar
from pianomuse.tokens.vocabulary import MAX_DURATION, MAX_POSITIONS, velocity_bins


class Rules:
    """The tables of a plan.

    Args:
        plan: what is to be written.

    """

    def __init__(self, plan: Plan) -> None:
        """Look everything up once."""
        self.plan = plan
        self.limits = plan.limits
        vocabulary = plan.vocabulary
        self.grammar = Grammar(vocabulary)
        self.values: list[int] = vocabulary.values.tolist()
        self.kinds = [str(kind) for kind in vocabulary.kinds]
        self.bar_starts = plan.bar_starts
        self.end = self.bar_starts[-1]
        self.metre_ids = [vocabulary.id(f"TimeSig_{n}/{d}") for n, d in plan.metres]
        self.bar, self.eos = vocabulary.id("Bar_None"), vocabulary.id("EOS_None")
        self.pedal, self.pedal_off = vocabulary.id("Pedal_0"), vocabulary.id("PedalOff_0")
        self.tempos = vocabulary.ids_of("Tempo")
        self.positions = np.array([vocabulary.id(f"Position_{p}") for p in range(MAX_POSITIONS)])
        self.pitch_ids = vocabulary.ids_of("Pitch")
        self.pitches = vocabulary.values[self.pitch_ids]
        self.bars = tuple(plan.in_bar(bar) for bar in range(plan.n_bars))
        beside_given = self._beside_given if plan.given is not None else None
        self.tones = ToneTable(self.bars, beside_given, has_pins=bool(plan.pins))
        self.duration_ids = np.full(MAX_DURATION + 1, -1)
        durations = vocabulary.ids_of("Duration")
        self.duration_ids[vocabulary.values[durations]] = durations
        self.velocity = -1
        if self.limits.velocity is not None:
            bins = velocity_bins()
            self.velocity = vocabulary.id(f"Velocity_{bins[np.abs(bins - self.limits.velocity).argmin()]}")
        self.release_position = self.end - self.bar_starts[-2] - 1
        self._has_pedal = self.limits.may_pedal or plan.pedal_down or self.pedal in plan.first_bar
        self._durations: dict[tuple[int, int], NDArray[np.bool_]] = {}
        self.places = [self._places(bar) for bar in range(plan.n_bars)]
        self._place_sets = [frozenset(places.tolist()) for places in self.places]
        self._room: list[NDArray[np.intp] | None] = [None] * plan.n_bars
        self.is_roomy = [True] * (plan.n_bars + 1)  # what is owed from this bar on surely fits, if no key is down
        for index in range(plan.n_bars - 1, -1, -1):
            bar = self.bars[index]
            has_room = bar.min_notes == 0 or (bar.min_voices <= 1 and self.room(index, 0) >= bar.min_notes)
            self.is_roomy[index] = has_room and self.is_roomy[index + 1]
        self.is_owed = [any(bar.min_notes > 0 for bar in self.bars[index:]) for index in range(plan.n_bars + 1)]

    def new_keyboard(self) -> Keyboard:
        """Return the keyboard as the new bars find it: the context's notes ring."""
        keyboard = Keyboard(self.limits.n_hands, self.limits.tempo_bpm)
        for note in sorted(self.plan.ringing, key=lambda note: note.pitch):
            keyboard.ring(int(note.pitch), int(note.end_units))
        return keyboard

    def _places(self, bar: int) -> NDArray[np.intp]:
        """Return the positions of a bar that events may use, ascending."""
        length = self.bar_starts[bar + 1] - self.bar_starts[bar]
        places = self.limits.grid.positions(length)
        if bar == 0:
            places = places[places >= self.plan.min_position]
        if bar == self.plan.n_bars - 1:
            return places[places < self.release_position] if self._has_pedal else places
        if self._asks_more(bar + 1):
            places = places[[p + self.shortest(bar, int(p)) <= length for p in places]]
        return places

    def _asks_more(self, bar: int) -> bool:
        """Tell whether a note that is held into a bar could stand in the way there."""
        this, before = self.bars[bar], self.bars[bar - 1]
        has_fewer_voices = this.max_voices is not None and this.max_voices != before.max_voices
        return this.min_notes > 0 or has_fewer_voices

    def shortest(self, bar: int, position: int) -> int:
        """Return the shortest duration a note at a position may have."""
        return int(self.durations(position, self.end - self.bar_starts[bar] - position).argmax())

    def _is_in_range(self) -> bool:
        """Tell whether hands are inside the range of every bar, wherever they were before."""
        ranges = {(bar.lowest, bar.highest) for bar in self.bars}
        low, high = next(iter(ranges))
        struck = [self.values[token] for token in self.plan.first_bar if self.kinds[token] == "Pitch"]
        return len(ranges) == 1 and all(low <= pitch <= high for pitch in struck)

    def _beside_given(self, bar: int, position: int) -> NDArray[np.bool_]:
        """Return which pitches can be struck and held as shortly as possible without crossing a given note."""
        assert self.plan.given is not None
        return self.plan.given.allowed(self.bar_starts[bar] + position, self.shortest(bar, position))

    def room(self, bar: int, position: int) -> int:
        """Return how many notes, one after the other, surely fit into a bar from a position on if no key is down.

        A hand that leaps nowhere finds a tone at each of the places that count; they are far enough apart to strike
        the same key again.
        """
        found = self._room[bar]
        if found is None:
            found = self._room[bar] = self._count_room(bar)
        return int(found[min(max(position, 0), len(found) - 1)])

    def _count_room(self, bar: int) -> NDArray[np.intp]:
        length = self.bar_starts[bar + 1] - self.bar_starts[bar]
        room = np.zeros(length + 1, dtype=np.intp)
        if self.plan.pins or self.plan.given is not None or not self._is_in_range():  # a hand may be elsewhere
            return room
        again = self.new_keyboard().repetition_units
        for position in range(length - 1, -1, -1):
            room[position] = room[position + 1]
            if position in self._place_sets[bar]:
                tones = self.tones.at(bar, position)
                if has_tone_everywhere(tones.first_bass, tones.in_range):
                    after = position + max(again, self.shortest(bar, position))
                    room[position] = max(room[position], 1 + (room[after] if after < length else 0))
        return room

    def durations(self, position: int, remaining: int) -> NDArray[np.bool_]:
        """Return which durations a note may have, by grid units: bool [MAX_DURATION + 1].

        Args:
            position: of its onset in the bar.
            remaining: grid units from its onset to the end of the new bars.

        """
        key = (position, min(remaining, MAX_DURATION + 1))
        if key not in self._durations:
            allowed = self.limits.grid.durations(position)
            if remaining <= MAX_DURATION:
                allowed[remaining] = True
                allowed[remaining + 1 :] = False
            self._durations[key] = allowed
        return self._durations[key]
