"""The Markov model as an engine: it composes through the same grammar, limits and files as the model does.

It reads the music of a request only. Control tokens say nothing to it, and of a gap to be filled, or of a hand that is
given, it hears the bars before, so filling and accompanying are continuing. Music never ends in its training text, so
the end is as likely as one more bar; the plan of an idea decides which of the two may come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pianomuse.evaluate.markov import MarkovModel
from pianomuse.tokens.vocabulary import Vocabulary

_CONTROLS = ("PAD", "Fill", "Task", "Dynamics", "Key", "Hand", "Voices", "Density", "Ending", "Bars")
_FLOOR = 1e-30


@dataclass
class History:
    """The last tokens of every row, oldest first."""

    rows: list[tuple[int, ...]]

    @property
    def batch(self) -> int:
        """Number of rows."""
        return len(self.rows)

    def repeat(self, n: int, /) -> History:
        """Return n rows like this one."""
        return History(self.rows * n)

    def take(self, indices: Sequence[int] | NDArray[np.intp], /) -> History:
        """Return only these rows."""
        return History([self.rows[int(index)] for index in indices])


class MarkovEngine:
    """Let a Markov model read and write tokens.

    Args:
        model: the counts.
        vocabulary: tells music from control tokens.

    """

    rows_are_exact = True

    def __init__(self, model: MarkovModel, vocabulary: Vocabulary) -> None:
        self.model = model
        self._is_control = np.isin(vocabulary.kinds, _CONTROLS)
        self._asides = [vocabulary.id("Fill_Suffix"), vocabulary.id("Fill_Given")]
        self._ends = [vocabulary.id("Fill_Prefix"), vocabulary.id("Fill_Middle")]
        self._end, self._bar = vocabulary.id("EOS_None"), vocabulary.id("Bar_None")

    @property
    def vocab_size(self) -> int:
        """Number of tokens the logits cover."""
        return self.model.vocab_size

    def prefill(self, ids: NDArray[np.int32], state: History | None = None, /) -> tuple[NDArray[np.float32], History]:
        """Read ids int32 [T]; return log-probabilities float32 [V] and the history."""
        array = np.asarray(ids)
        before, _, rest = _partition(array, np.isin(array, self._asides))
        after = _partition(rest, np.isin(rest, self._ends))[2]
        music = np.concatenate([before, after])
        music = music[~self._is_control[music]]
        known = state.rows[0] if state is not None else ()
        history = History([self._last((*known, *music.tolist()))])
        return self._logits(history.rows[0]), history

    def step(self, ids: NDArray[np.int32], state: History, /) -> NDArray[np.float32]:
        """Read one id per row; return log-probabilities float32 [B, V]. The history is updated in place."""
        state.rows = [self._follow(row, int(token)) for row, token in zip(state.rows, ids, strict=True)]
        return np.stack([self._logits(row) for row in state.rows])

    def _follow(self, row: tuple[int, ...], token: int) -> tuple[int, ...]:
        """Return a row with one more token; while something is given it ends in the token that said so."""
        if row and row[-1] in self._asides:
            return row[:-1] if token in self._ends else row
        return (*row, token) if token in self._asides else self._last((*row, token))

    def _last(self, row: tuple[int, ...]) -> tuple[int, ...]:
        return row[max(len(row) - self.model.order + 1, 0) :]

    def _logits(self, row: tuple[int, ...]) -> NDArray[np.float32]:
        chances = self.model.distribution(np.array(row, dtype=np.int64))
        chances[self._end] = chances[self._bar]
        logits: NDArray[np.float32] = np.log(np.maximum(chances, _FLOOR)).astype(np.float32)
        return logits


def _partition(
    ids: NDArray[np.int32], is_there: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Split at the first id marked, as str.partition does."""
    at = int(is_there.argmax()) if is_there.any() else len(ids)
    return ids[:at], ids[at : at + 1], ids[at + 1 :]
