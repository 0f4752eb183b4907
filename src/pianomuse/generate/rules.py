"""A plan as tables over the vocabulary: looked up once, shared by all ideas of the plan."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pianomuse.generate.plan import Plan
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
        self.in_range = np.zeros(128, dtype=bool)
        self.in_range[self.limits.lowest_pitch : self.limits.highest_pitch + 1] = True
        self.duration_ids = np.full(MAX_DURATION + 1, -1)
        durations = vocabulary.ids_of("Duration")
        self.duration_ids[vocabulary.values[durations]] = durations
        self.velocity = -1
        if self.limits.velocity is not None:
            bins = velocity_bins()
            self.velocity = vocabulary.id(f"Velocity_{bins[np.abs(bins - self.limits.velocity).argmin()]}")
        self.release_position = self.end - self.bar_starts[-2] - 1
        self._has_pedal = self.limits.may_pedal or plan.pedal_down or self.pedal in plan.first_bar
        self.places = [self._places(bar_index) for bar_index in range(plan.n_bars)]
        self._durations: dict[tuple[int, int], NDArray[np.bool_]] = {}

    def _places(self, bar_index: int) -> NDArray[np.intp]:
        """Return the positions of a bar that events may use, ascending."""
        length = self.bar_starts[bar_index + 1] - self.bar_starts[bar_index]
        places = self.limits.grid.positions(length)
        if bar_index == 0:
            places = places[places >= self.plan.min_position]
        if bar_index == self.plan.n_bars - 1 and self._has_pedal:
            places = places[places < self.release_position]
        return places

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
