"""Write several ideas at once from one state: draw, check, step, until every idea has its bars.

Ideas decode in lanes of a fixed number. Idea k depends on the plan, the seed and k alone: it has its own generator,
its own constraints, and its row of the batch is computed in a batch of the same width whatever the number of ideas
(or, if the engine promises `rows_are_exact`, in one that holds all ideas and shrinks as they finish).

`Decoding` is the loop opened up, one token of every idea per step, for whoever wants to look on; `decode` runs it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from pianomuse.errors import RequestError
from pianomuse.generate.constraints import IdeaConstraints, IdeaNote
from pianomuse.generate.engine import Engine, StateT
from pianomuse.generate.plan import Plan
from pianomuse.generate.rules import Rules
from pianomuse.generate.sampling import Draw, SamplingSettings, fold, idea_generator, sample

LANES = 8
_PAD = 0  # what finished lanes read; no row depends on another's token
MAX_IDEAS = 64


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


def decode(
    engine: Engine[StateT],
    state: StateT,
    logits: NDArray[np.float32],
    plan: Plan,
    n_ideas: int,
    seed: int,
    settings: SamplingSettings | None = None,
    *,
    on_token: Callable[[int, int], None] | None = None,
    on_note: Callable[[int, IdeaNote], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
    lanes: int = LANES,
) -> list[DecodedIdea]:
    """Write ideas from a state that has read the context, the caret block and the plan's first bar.

    Args:
        engine: the model.
        state: of batch 1; it is not changed.
        logits: float32 [V], the model's for the token after what the state has read.
        plan: bars, what is given, limits.
        n_ideas: how many ideas; idea k is the same whatever this is.
        seed: 0 or more.
        settings: how boldly; None for the defaults.
        on_token: called with the idea's index (from 0) and every token as it is decided.
        on_note: called with the idea's index and every note as it is decided.
        is_cancelled: asked before every step of the model; once it is true, ideas are returned as far as they are.
        lanes: ideas decoded side by side; part of what determines an idea unless the engine's rows are exact.

    Returns:
        ``n_ideas`` ideas in order.

    Raises:
        RequestError: a number out of range.
        CheckpointError: the model's logits are not finite numbers.

    """
    check_ideas(n_ideas, seed)
    started = time.perf_counter()
    rules = Rules(plan)
    ideas = [IdeaWriter(rules, seed, number, started) for number in range(n_ideas)]
    decoding = Decoding(engine, state, logits, ideas, settings or SamplingSettings(), lanes=lanes)
    while not decoding.is_over and not (is_cancelled is not None and is_cancelled()):
        for idea in decoding.step():
            if on_token is not None:
                on_token(idea.number, idea.ids[-1])
            if on_note is not None and idea.has_new_note:
                on_note(idea.number, idea.notes[-1])
    return [idea.result() for idea in ideas]


def check_ideas(n_ideas: int, seed: int) -> None:
    """Raise RequestError for a number of ideas or a seed out of range."""
    if not 1 <= n_ideas <= MAX_IDEAS:
        raise RequestError(
            f"{n_ideas} ideas cannot be written at once; choose 1 to {MAX_IDEAS}",
            "ideas_too_many",
            ideas=n_ideas,
            most=MAX_IDEAS,
        )
    if seed < 0:
        raise RequestError(f"the seed is {seed}; choose 0 or more", "seed_negative", seed=seed)


class Decoding(Generic[StateT]):
    """Ideas being written side by side, one token each per step."""

    def __init__(
        self,
        engine: Engine[StateT],
        state: StateT,
        logits: NDArray[np.float32],
        ideas: Iterable[IdeaWriter],
        settings: SamplingSettings,
        *,
        lanes: int = LANES,
    ) -> None:
        """Begin where a state has read everything before the ideas; arguments as for `decode`."""
        self._engine, self._state, self._logits = engine, state, logits
        self._settings = settings
        self._rows_are_exact = bool(getattr(engine, "rows_are_exact", False))
        self._n_lanes = lanes
        self._waiting = list(ideas)
        self._lanes: list[IdeaWriter] = []
        self._tokens = np.zeros(0, dtype=np.int32)
        self._rows = state
        self._scores = logits[None]

    @property
    def is_over(self) -> bool:
        """Every idea is finished or was stopped."""
        return not any(idea.is_open for idea in (*self._lanes, *self._waiting))

    def step(self) -> list[IdeaWriter]:
        """Let the model read the last tokens, then write the next one of every idea in a lane; return those ideas.

        Ideas that were stopped leave their lane before the model reads. An idea that is still reading what is given in
        its bar writes nothing and is not among those returned.
        """
        if any(idea.is_open for idea in self._lanes):
            self._read()
        else:
            self._begin()
        drawn = []
        for row, idea in enumerate(self._lanes):
            if not idea.is_open:
                self._tokens[row] = _PAD
            elif idea.beside:
                self._tokens[row] = idea.beside.popleft()
            else:
                self._tokens[row] = idea.draw(self._scores[row], self._settings)
                drawn.append(idea)
        return drawn

    def _read(self) -> None:
        going_on = [row for row, idea in enumerate(self._lanes) if idea.is_open]
        if self._rows_are_exact and len(going_on) < len(self._lanes):
            self._lanes = [self._lanes[row] for row in going_on]
            self._rows, self._tokens = self._rows.take(going_on), self._tokens[going_on]
        self._scores = self._engine.step(self._tokens, self._rows)

    def _begin(self) -> None:
        """Give the lanes to ideas that wait: all of them, or without exact rows as many as there are lanes."""
        waiting = [idea for idea in self._waiting if idea.is_open]
        n_lanes = len(waiting) if self._rows_are_exact else self._n_lanes
        self._lanes, self._waiting = waiting[:n_lanes], waiting[n_lanes:]
        self._tokens = np.full(n_lanes, _PAD, dtype=np.int32)
        if self._lanes:
            self._rows = self._state.repeat(n_lanes)
            self._scores = np.repeat(self._logits[None], n_lanes, axis=0)


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

    def draw(self, logits: NDArray[np.float32], settings: SamplingSettings) -> int:
        """Draw the next token and take it."""
        constraints = self.constraints
        accepted = False
        while not accepted:  # a wish to end that a pedal delays is drawn but not taken; then comes the release
            clipped = constraints.clipped()
            scores = fold(logits, *clipped) if clipped else logits
            drawn = sample(scores, constraints.allowed(), settings, self.rng)
            accepted = constraints.accept(drawn.id)
        self.ids.append(drawn.id)
        self._log_probs.append(drawn.log_prob)
        self._sampling_log_probs.append(drawn.sampling_log_prob)
        self._follow_note(drawn)
        plan = constraints.rules.plan
        if plan.beside and constraints.place.kind == "TimeSig":
            self.beside.extend(plan.beside[constraints.bar_index])
        if self.is_finished:
            self._seconds = time.perf_counter() - self._started
        return drawn.id

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
