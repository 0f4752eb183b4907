"""The engine protocol: all that generation knows of a model is that it reads ids and returns logits and a state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray


class EngineState(Protocol):
    """What a model remembers of everything it has read, for a batch of sequences."""

    @property
    def batch(self) -> int:
        """Number of sequences."""
        ...

    def repeat(self, n: int, /) -> Self:
        """Return a state of batch ``n`` whose rows all are this state of batch 1; this one stays as it is."""
        ...

    def take(self, indices: Sequence[int] | NDArray[np.intp], /) -> Self:
        """Return a state with only these rows, in this order; this one stays as it is."""
        ...


StateT = TypeVar("StateT", bound=EngineState)


class Engine(Protocol[StateT]):
    """A model that reads tokens.

    An engine may have an attribute ``rows_are_exact: bool``. It promises that a row of `step` is the same bit for
    bit whatever the other rows hold and however many there are; decoding then leaves finished ideas out of the batch.
    Without it the batch keeps one fixed width, because a matrix product may round differently at another width.
    """

    @property
    def vocab_size(self) -> int:
        """Number of tokens the logits cover."""
        ...

    def prefill(self, ids: NDArray[np.int32], state: StateT | None = None, /) -> tuple[NDArray[np.float32], StateT]:
        """Read ids int32 [T] from a state of batch 1; return the logits float32 [V] after the last, and the state."""
        ...

    def step(self, ids: NDArray[np.int32], state: StateT, /) -> NDArray[np.float32]:
        """Read one id per row, int32 [B]; return logits float32 [B, V]. The state is updated in place."""
        ...
