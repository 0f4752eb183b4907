"""One idea while it is being written, and as it is when it is done."""

from __future__ import annotations

import time
from collections import deque
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pianomuse.generate.constraints import IdeaConstraints, IdeaNote
from pianomuse.generate.rules import Rules
from pianomuse.generate.sampling import Draw, SamplingSettings, fold, idea_generator, sample


@dataclass(frozen=True)
class DecodedIdea:
    """One idea as tokens, with what is known of each.

    Args:
        ids: int32 [n], the idea's own tokens; EOS is the last of a finished one. Tokens of `Plan.first_bar` are not
            among them: ``(*plan.first_bar, *ids)`` is the music from the first bar line on.
        log_probs: float64 [n], natural logarithm, the model's own (full softmax, no mask, temperature 1).
        sampling_log_probs: float64 [n], under the distribution the token was drawn from.
        notes: in the order of the tokens, times in grid units from the first bar line.
        note_log_probs: one per note, the model's own: its Pitch, Velocity and Duration, and the Position if it is the
            first note there.
        hands: ``left`` or ``right`` per note, so that it can be played; empty if the plan has no such limit.
        is_finished: false if decoding was cancelled before the idea's end.
        n_forced_bar_ends: bars that had too many tokens and were ended where they stood.
        seconds: from the start of decoding to the idea's end.
        seconds_to_first_note: from the start of decoding until the first note was known; None without notes.

    """

    ids: NDArray[np.int32]
    log_probs: NDArray[np.float64]
    sampling_log_probs: NDArray[np.float64]
    notes: tuple[IdeaNote, ...]
    note_log_probs: tuple[float, ...]
    hands: tuple[str, ...]
    is_finished: bool
    n_forced_bar_ends: int
    seconds: float
    seconds_to_first_note: float | None

    @property
    def n_tokens(self) -> int:
        """Number of tokens written."""
        return len(self.ids)

    @property
    def log_prob(self) -> float:
        """Log-probability of all tokens, the model's own."""
        return float(self.log_probs.sum())

    @property
    def log_prob_per_note(self) -> float:
        """`log_prob` per note; of an idea without notes, `log_prob` itself."""
        return self.log_prob / max(len(self.notes), 1)


class IdeaWriter:
    """An idea while it is being written.

    Args:
        rules: of the plan.
        seed: 0 or more.
        number: the idea's, from 0.
        started: `time.perf_counter()` when decoding began.

    """

    def __init__(self, rules: Rules, seed: int, number: int, started: float) -> None:
        """Begin with nothing written."""
        self.constraints = IdeaConstraints(rules)
        self.rng = idea_generator(seed, number)
        self.number = number
        self.ids: list[int] = []
        self.has_new_note = False
        """The last token completed a note."""
        self.is_stopped = False
        self.beside: deque[int] = deque()
        """What the model is still to read of what is given in this bar."""
        self.pending: deque[Draw] = deque()
        """What was decided elsewhere and is to be taken with `take_next`."""
        self._seed = seed
        self._started = started
        self._seconds: float | None = None
        self._seconds_to_first_note: float | None = None
        self._log_probs: list[float] = []
        self._sampling_log_probs: list[float] = []
        self._note_log_probs: list[float] = []
        self._note_log_prob = 0.0  # of the note being spelled, so far

    @property
    def notes(self) -> list[IdeaNote]:
        """The notes so far, in grid units from the first bar line."""
        return self.constraints.notes

    @property
    def is_finished(self) -> bool:
        """The idea has its bars."""
        return self.constraints.is_finished

    @property
    def is_open(self) -> bool:
        """There is more to write."""
        return not self.is_finished and not self.is_stopped

    def stop(self) -> None:
        """Write no more; the lane is free from the next step on."""
        self.is_stopped = True

    @property
    def begins_last_bar(self) -> bool:
        """Nothing of the last bar is written yet."""
        constraints = self.constraints
        if constraints.rules.plan.n_bars == 1:
            return not self.ids
        return constraints.place.kind == "Bar" and constraints.bar_index == constraints.rules.plan.n_bars - 1

    def draw(self, logits: NDArray[np.float32], settings: SamplingSettings) -> int:
        """Draw the next token and take it."""
        constraints = self.constraints
        accepted = False
        while not accepted:  # a wish to end that a pedal delays is drawn but not taken; then comes the release
            clipped = constraints.clipped()
            scores = fold(logits, *clipped) if clipped else logits
            drawn = sample(scores, constraints.allowed(), settings, self.rng)
            accepted = self._take(drawn)
        return self.ids[-1]

    def take_next(self) -> None:
        """Take the next token of what is pending, and what was drawn but not taken before it."""
        accepted = False
        while not accepted:
            self.constraints.allowed()  # counts what had to be forced
            accepted = self._take(self.pending.popleft())

    def drafts(self, n: int) -> list[Draft]:
        """Return `n` ways to go on from here: the first is this idea's own, each other one has its own generator."""
        return [Draft(self, number) for number in range(n)]

    def _take(self, drawn: Draw) -> bool:
        constraints = self.constraints
        if not constraints.accept(drawn.id):
            return False
        self.ids.append(drawn.id)
        self._log_probs.append(drawn.log_prob)
        self._sampling_log_probs.append(drawn.sampling_log_prob)
        self._follow_note(drawn)
        plan = constraints.rules.plan
        if plan.beside and constraints.place.kind == "TimeSig":
            self.beside.extend(plan.beside[constraints.bar_index])
        if self.is_finished:
            self._seconds = time.perf_counter() - self._started
        return True

    def _follow_note(self, drawn: Draw) -> None:
        kind = self.constraints.place.kind
        if kind in ("Bar", "Position"):
            self._note_log_prob = 0.0
        self._note_log_prob += drawn.log_prob
        self.has_new_note = kind == "Duration"
        if not self.has_new_note:
            return
        self._note_log_probs.append(self._note_log_prob)
        self._note_log_prob = 0.0
        if self._seconds_to_first_note is None:
            self._seconds_to_first_note = time.perf_counter() - self._started

    def result(self) -> DecodedIdea:
        """Return what has been written."""
        seconds = self._seconds if self._seconds is not None else time.perf_counter() - self._started
        return DecodedIdea(
            ids=np.array(self.ids, dtype=np.int32),
            log_probs=np.array(self._log_probs),
            sampling_log_probs=np.array(self._sampling_log_probs),
            notes=tuple(self.notes),
            note_log_probs=tuple(self._note_log_probs),
            hands=self.constraints.hands(),
            is_finished=self.is_finished,
            n_forced_bar_ends=self.constraints.n_forced_bar_ends,
            seconds=seconds,
            seconds_to_first_note=self._seconds_to_first_note,
        )


class Draft(IdeaWriter):
    """A way for an idea to go on; which one it takes is decided when all are finished.

    Args:
        idea: what has been written so far; it is not changed.
        number: of the draft, from 0.

    """

    def __init__(self, idea: IdeaWriter, number: int) -> None:
        """Stand where the idea stands."""
        rules = idea.constraints.rules
        super().__init__(rules, idea._seed, idea.number, idea._started)
        self.constraints = deepcopy(idea.constraints, {id(rules): rules})
        self.rng = deepcopy(idea.rng) if number == 0 else idea_generator(idea._seed, idea.number, number)
        self.beside = deque(idea.beside)
        self.idea = idea
        self.draws: list[Draw] = []
        """All that was drawn, also what was not taken."""

    @property
    def is_open(self) -> bool:
        """There is more to write, and the idea is still wanted."""
        return super().is_open and not self.idea.is_stopped

    def _take(self, drawn: Draw) -> bool:
        self.draws.append(drawn)
        return super()._take(drawn)
