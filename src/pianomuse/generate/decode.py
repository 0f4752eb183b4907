"""Write several ideas at once from one state: draw, check, step, until every idea has its bars.

Ideas decode in lanes of a fixed number. Idea k depends on the plan, the seed and k alone: it has its own generator,
its own constraints, and its row of the batch is computed in a batch of the same width whatever the number of ideas
(or, if the engine promises `rows_are_exact`, in one that shrinks as ideas finish).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

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
    if not 1 <= n_ideas <= MAX_IDEAS:
        raise RequestError(f"{n_ideas} ideas cannot be written at once; choose 1 to {MAX_IDEAS}")
    if seed < 0:
        raise RequestError(f"the seed is {seed}; choose 0 or more")
    rules = Rules(plan)
    listeners = _Listeners(on_token or _ignore, on_note or _ignore)
    started = time.perf_counter()
    ideas = [_Idea(rules, seed, number, listeners, started) for number in range(n_ideas)]
    for first in range(0, n_ideas, lanes):
        group = ideas[first : first + lanes]
        _decode_lanes(engine, state, logits, group, settings or SamplingSettings(), lanes, is_cancelled or _never)
    return [idea.result() for idea in ideas]


class _Listeners(NamedTuple):
    token: Callable[[int, int], None]
    note: Callable[[int, IdeaNote], None]


def _ignore(_number: int, _what: object) -> None:
    return None


def _never() -> bool:
    return False


class _Idea:
    """An idea while it is being written."""

    def __init__(self, rules: Rules, seed: int, number: int, listeners: _Listeners, started: float) -> None:
        """Begin with nothing written."""
        self.constraints = IdeaConstraints(rules)
        self.rng = idea_generator(seed, number)
        self.number = number
        self.listeners = listeners
        self.started = started
        self.seconds: float | None = None
        self.seconds_to_first_note: float | None = None
        self.ids: list[int] = []
        self.log_probs: list[float] = []
        self.sampling_log_probs: list[float] = []
        self.note_log_probs: list[float] = []
        self._note_log_prob = 0.0  # of the note being spelled, so far

    @property
    def is_finished(self) -> bool:
        """The idea has its bars."""
        return self.constraints.is_finished

    def draw(self, logits: NDArray[np.float32], settings: SamplingSettings) -> int:
        """Draw the next token, take it and tell the listeners."""
        constraints = self.constraints
        accepted = False
        while not accepted:  # a wish to end that a pedal delays is drawn but not taken; then comes the release
            clipped = constraints.clipped()
            scores = fold(logits, *clipped) if clipped else logits
            drawn = sample(scores, constraints.allowed(), settings, self.rng)
            accepted = constraints.accept(drawn.id)
        self.ids.append(drawn.id)
        self.log_probs.append(drawn.log_prob)
        self.sampling_log_probs.append(drawn.sampling_log_prob)
        self.listeners.token(self.number, drawn.id)
        self._follow_note(drawn)
        if self.is_finished:
            self.seconds = time.perf_counter() - self.started
        return drawn.id

    def _follow_note(self, drawn: Draw) -> None:
        kind = self.constraints.place.kind
        if kind in ("Bar", "Position"):
            self._note_log_prob = 0.0
        self._note_log_prob += drawn.log_prob
        if kind != "Duration":
            return
        self.note_log_probs.append(self._note_log_prob)
        self._note_log_prob = 0.0
        if self.seconds_to_first_note is None:
            self.seconds_to_first_note = time.perf_counter() - self.started
        self.listeners.note(self.number, self.constraints.notes[-1])

    def result(self) -> DecodedIdea:
        """Return what has been written."""
        seconds = self.seconds if self.seconds is not None else time.perf_counter() - self.started
        return DecodedIdea(
            ids=np.array(self.ids, dtype=np.int32),
            log_probs=np.array(self.log_probs),
            sampling_log_probs=np.array(self.sampling_log_probs),
            notes=tuple(self.constraints.notes),
            note_log_probs=tuple(self.note_log_probs),
            hands=self.constraints.hands(),
            is_finished=self.constraints.is_finished,
            n_forced_bar_ends=self.constraints.n_forced_bar_ends,
            seconds=seconds,
            seconds_to_first_note=self.seconds_to_first_note,
        )


def _decode_lanes(
    engine: Engine[StateT],
    state: StateT,
    logits: NDArray[np.float32],
    ideas: list[_Idea],
    settings: SamplingSettings,
    n_rows: int,
    is_cancelled: Callable[[], bool],
) -> None:
    rows_are_exact = bool(getattr(engine, "rows_are_exact", False))
    if rows_are_exact:
        n_rows = len(ideas)
    rows = state.repeat(n_rows)
    scores = np.repeat(logits[None], n_rows, axis=0)
    while ideas and not is_cancelled():
        tokens = np.full(n_rows, _PAD, dtype=np.int32)
        for row, idea in enumerate(ideas):
            if not idea.is_finished:
                tokens[row] = idea.draw(scores[row], settings)
        going_on = [row for row, idea in enumerate(ideas) if not idea.is_finished]
        if not going_on:
            return
        if rows_are_exact and len(going_on) < n_rows:
            ideas = [ideas[row] for row in going_on]
            rows, tokens, n_rows = rows.take(going_on), tokens[going_on], len(going_on)
        scores = engine.step(tokens, rows)
