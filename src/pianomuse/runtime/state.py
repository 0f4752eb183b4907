"""The recurrent state of an RWKV-7 model: all that is remembered of the tokens read, in constant size.

A state holds one or more lanes. A lane is one sequence; lanes are stepped together and never see each other.

Legend of the shapes: L layers, B lanes, C width, H heads, N head size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pianomuse.checkpoint.config import ModelConfig
from pianomuse.errors import RequestError


@dataclass(eq=False)
class State:
    """What a model remembers, for B lanes.

    Attributes:
        shift: float32 [L, 2, B, C], the previous token's normalised input of the time mix (0) and channel mix (1).
        wkv: float32 [L, B, H, N (value), N (key)], the matrix memory of every head.
    """

    shift: NDArray[np.float32]
    wkv: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together; hold them contiguous, because compiled code writes into them."""
        fits = (
            self.shift.ndim == 4
            and self.wkv.ndim == 5
            and self.shift.shape[1] == 2
            and self.wkv.shape[:2] == (self.shift.shape[0], self.shift.shape[2])
            and self.wkv.shape[3] == self.wkv.shape[4]
            and self.wkv.shape[2] * self.wkv.shape[3] == self.shift.shape[3]
        )
        if not fits:
            raise RequestError(
                f"state: shift {self.shift.shape} and wkv {self.wkv.shape} do not belong together; "
                "expected [L, 2, B, C] and [L, B, H, N, N]"
            )
        self.shift = np.ascontiguousarray(self.shift, dtype=np.float32)
        self.wkv = np.ascontiguousarray(self.wkv, dtype=np.float32)

    @classmethod
    def empty(cls, config: ModelConfig, batch: int = 1) -> State:
        """Return the state before the first token.

        Args:
            config: the model's sizes.
            batch: number of lanes B.
        """
        size = config.head_size
        return cls(
            np.zeros((config.n_layer, 2, batch, config.n_embd), np.float32),
            np.zeros((config.n_layer, batch, config.n_head, size, size), np.float32),
        )

    @property
    def batch(self) -> int:
        """Number of lanes B."""
        return int(self.shift.shape[2])

    @property
    def size_bytes(self) -> int:
        """Memory held by the arrays, in bytes."""
        return int(self.shift.nbytes + self.wkv.nbytes)

    def copy(self) -> State:
        """Return an independent copy."""
        return State(self.shift.copy(), self.wkv.copy())

    def repeat(self, n: int) -> State:
        """Return n independent lanes, each a copy of this state's only lane.

        Raises:
            RequestError: the state has more than one lane, or n is less than 1.
        """
        if self.batch != 1 or n < 1:
            raise RequestError(f"state: cannot repeat {self.batch} lanes {n} times; repeat a state of one lane")
        return State(np.repeat(self.shift, n, axis=2), np.repeat(self.wkv, n, axis=1))

    def take(self, indices: Sequence[int] | NDArray[np.integer]) -> State:
        """Return an independent state with the lanes of these indices, in this order; a lane may be taken twice.

        Raises:
            RequestError: an index is not a lane.
        """
        lanes = np.asarray(indices, dtype=np.int64)
        if lanes.ndim != 1 or lanes.size == 0 or lanes.min() < 0 or lanes.max() >= self.batch:
            raise RequestError(f"state: cannot take lanes {list(indices)} of {self.batch}; use 0..{self.batch - 1}")
        return State(self.shift[:, :, lanes].copy(), self.wkv[:, lanes].copy())
