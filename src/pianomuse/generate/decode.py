"""Write several ideas at once from one state: draw, check, step, until every idea has its bars.

Ideas decode in lanes of a fixed number. Idea k depends on the plan, the seed and k alone: it has its own generator,
its own constraints, and its row of the batch is computed in a batch of the same width whatever the number of ideas
(or, if the engine promises `rows_are_exact`, in one that holds all ideas and shrinks as they finish).

`Decoding` is the loop opened up, one token of every idea per step, for whoever wants to look on; `decode` runs it.

Where bars behind the ideas have to follow from them, the last bar of each idea is written several times side by side
(`Drafts`), and the one that leads on best is taken when all of these are finished: its tokens come all at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Generic, Protocol

import numpy as np
from numpy.typing import NDArray

from pianomuse.errors import RequestError
from pianomuse.generate.constraints import IdeaNote
from pianomuse.generate.engine import Engine, StateT
from pianomuse.generate.plan import Plan
from pianomuse.generate.rules import Rules
from pianomuse.generate.sampling import SamplingSettings
from pianomuse.generate.writer import DecodedIdea, Draft, IdeaWriter

LANES = 8
_PAD = 0  # what finished lanes read; no row depends on another's token
MAX_IDEAS = 64


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


class Drafts(Protocol):
    """How often the last bar of an idea is written, and which of these is taken."""

    @property
    def n_drafts(self) -> int:
        """So many times, 1 or more."""
        ...

    def best(self, drafts: list[Draft]) -> Draft:
        """Choose among the drafts of an idea; all are finished."""
        ...


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
        drafts: Drafts | None = None,
    ) -> None:
        """Begin where a state has read everything before the ideas; arguments as for `decode`.

        Args:
            engine: the model.
            state: of batch 1.
            logits: float32 [V].
            ideas: with nothing written.
            settings: how boldly.
            lanes: ideas side by side.
            drafts: None: the last bar is written once, as it always is without exact rows.

        """
        self._engine, self._state, self._logits = engine, state, logits
        self._settings = settings
        self._rows_are_exact = bool(getattr(engine, "rows_are_exact", False))
        self._n_lanes = lanes
        self._drafts = drafts if self._rows_are_exact and drafts is not None and drafts.n_drafts > 1 else None
        self._waiting = list(ideas)
        self._lanes: list[IdeaWriter] = []
        self._drafts_of: dict[int, list[Draft]] = {}
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
        its bar, or whose last bar is being drafted, writes nothing and is not among those returned. One whose drafts
        are finished is, with the last bar `pending`: take it with `take_next` until nothing is.
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
        return self._settled(drawn) if self._drafts is not None else drawn

    def _settled(self, drawn: list[IdeaWriter]) -> list[IdeaWriter]:
        """Put in place of drafts the ideas whose drafts have all just been finished."""
        written = [idea for idea in drawn if not isinstance(idea, Draft)]
        ended = {draft.idea.number: draft.idea for draft in drawn if isinstance(draft, Draft) and draft.is_finished}
        for idea in ended.values():
            drafts = self._drafts_of[idea.number]
            if idea.is_open and all(draft.is_finished for draft in drafts):
                assert self._drafts is not None
                idea.pending.extend(self._drafts.best(drafts).draws)
                written.append(idea)
        return written

    def _ways(self, idea: IdeaWriter) -> list[IdeaWriter]:
        """Return what takes the idea's lane: the idea, or its drafts where its last bar begins."""
        if self._drafts is None or isinstance(idea, Draft) or not idea.begins_last_bar:
            return [idea]
        self._drafts_of[idea.number] = idea.drafts(self._drafts.n_drafts)
        return [*self._drafts_of[idea.number]]

    def _read(self) -> None:
        if self._rows_are_exact:
            open_rows = [row for row, idea in enumerate(self._lanes) if idea.is_open]
            ways = [(row, way) for row in open_rows for way in self._ways(self._lanes[row])]
            if [way for _, way in ways] != self._lanes:
                rows = [row for row, _ in ways]
                self._lanes = [way for _, way in ways]
                self._rows, self._tokens = self._rows.take(rows), self._tokens[rows]
        self._scores = self._engine.step(self._tokens, self._rows)

    def _begin(self) -> None:
        """Give the lanes to ideas that wait: all of them, or without exact rows as many as there are lanes."""
        waiting = [idea for idea in self._waiting if idea.is_open]
        n_ideas = len(waiting) if self._rows_are_exact else self._n_lanes
        self._waiting = waiting[n_ideas:]
        self._lanes = [way for idea in waiting[:n_ideas] for way in self._ways(idea)]
        n_lanes = len(self._lanes) if self._rows_are_exact else self._n_lanes
        self._tokens = np.full(n_lanes, _PAD, dtype=np.int32)
        if self._lanes:
            self._rows = self._state.repeat(n_lanes)
            self._scores = np.repeat(self._logits[None], n_lanes, axis=0)
