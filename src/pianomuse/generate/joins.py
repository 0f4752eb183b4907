"""How well the bars behind follow from an idea, as the model hears it; and the last bar written so that they do.

A model that is told of the bars behind writes towards them only a little (docs/decisions/0009-last-bar.md). But it can
tell very well whether bars follow from others: that is what it has learnt. So the last bar before them is written
several times, and the draft is kept after which they are the most probable. With proposals from the model this is
sampling with importance weights, of which the heaviest is taken; speech recognisers call it the noisy channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pianomuse.generate.caret import Caret
from pianomuse.generate.plan import Plan
from pianomuse.generate.prompt import MAX_CONTEXT_TOKENS
from pianomuse.generate.side import Side, SideReader
from pianomuse.generate.writer import Draft
from pianomuse.tokens.prompt import PromptWriter

FOLLOWING_BARS = 2
"""Bars behind an idea that are read to see how well they follow from it."""
NEAR_BARS = 8
N_DRAFTS = 3

Ids = Sequence[int] | NDArray[np.int32]


class Joins:
    """Tells how well the bars behind a gap follow from what is written in it.

    Args:
        engine: the model, with `prefill_all`.
        plan: of the ideas.
        before: a few bars before the gap.
        following: a few bars behind it, with notes.

    """

    n_drafts = N_DRAFTS

    def __init__(self, engine: Any, plan: Plan, before: Side, following: Side) -> None:
        """Read nothing yet."""
        self._engine, self._plan, self._before, self._following = engine, plan, before, following
        self._known: dict[bytes, float] = {}

    def log_prob_per_note(self, ids: Ids) -> float:
        """Return the log-probability per note of the bars behind, after the bars before and an idea's tokens."""
        known = self._known.get(_key(ids))
        return known if known is not None else self._judge(self._state, (*self._plan.first_bar, *ids), ids)

    def best(self, drafts: list[Draft]) -> Draft:
        """Choose the draft of a last bar from which the bars behind follow best; of equals the first."""
        state, begun = self._state, (*self._plan.first_bar, *drafts[0].idea.ids)
        if begun:
            _, state = self._engine.prefill(np.array(begun, dtype=np.int32), state)
        return max(drafts, key=lambda draft: self._judge(state, draft.ids, [*draft.idea.ids, *draft.ids]))

    @cached_property
    def _state(self) -> Any:
        prefix = PromptWriter(self._plan.vocabulary).prefix(self._before.head, self._before.bars)
        return self._engine.prefill(prefix)[1]

    def _judge(self, state: Any, written: Ids, whole: Ids) -> float:
        following = self._following
        end = self._plan.vocabulary.id("EOS_None")
        read = np.array([token for token in written if token != end], dtype=np.int32)
        logits, _ = self._engine.prefill_all(np.concatenate([read, following.bars[:-1]]), state)
        scores = logits[len(read) - 1 :].astype(np.float64)
        scores -= scores.max(axis=1, keepdims=True)
        chosen = scores[np.arange(len(scores)), following.bars] - np.log(np.exp(scores).sum(axis=1))
        self._known[_key(whole)] = found = float(chosen.sum()) / len(following.notes.onset)
        return found


def joins_of(engine: Any, plan: Plan, reader: SideReader, caret: Caret) -> Joins | None:
    """Return what tells how well the bars behind a gap follow; None where there are none, or it cannot be told."""
    if not hasattr(engine, "prefill_all"):
        return None
    following = reader.after(caret.old_end_tick, FOLLOWING_BARS)
    if not len(following.notes.onset):
        return None
    before = reader.first_bars(caret.bar_index, NEAR_BARS, MAX_CONTEXT_TOKENS)
    return Joins(engine, plan, before, following)


def _key(ids: Ids) -> bytes:
    return np.asarray(ids, dtype=np.int32).tobytes()
