"""What has been read stays known: one state of the model per bar line, so that only what changed is read again.

A state is kept under a digest of every token read before it. A request looks its bar lines up from the last to the
first and reads on from the first that is known; an edit changes the digests behind it and no others, so what stands
before it is found again without anybody saying what was edited, and an undone edit is found again whole.

Memory has a budget. Beyond it states are dropped evenly: always the one whose loss means the fewest tokens to read
again, the distance between its two neighbours on the way; states that the last readings did not pass count for less.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from threading import RLock
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from pianomuse.generate.engine import Engine, StateT

DEFAULT_BUDGET_MB = 256.0
"""Room for every bar of a long piece with the default model, whose state takes half a mebibyte."""
_MEGABYTE = 2**20
_DIGEST_BYTES = 16
_MOST_AGE = 7  # readings; a state unused for longer counts for an eighth, and for no less


@dataclass(eq=False)
class _Kept(Generic[StateT]):
    state: StateT
    n_tokens: int  # read before it
    parent: bytes | None  # the kept state before it on its way
    used: int  # number of the reading that passed it last


class StateCache(Generic[StateT]):
    """States of the model at the bar lines it has read up to; safe to use from several threads.

    Args:
        engine: the model.
        budget_mb: mebibytes that states may take; 0 keeps none, and a request is then read in one piece.

    """

    def __init__(self, engine: Engine[StateT], budget_mb: float = DEFAULT_BUDGET_MB) -> None:
        """Keep nothing yet."""
        self.engine = engine
        self.budget_bytes = int(budget_mb * _MEGABYTE)
        self._kept: dict[bytes, _Kept[StateT]] = {}
        self._lock = RLock()
        self._n_readings = 0
        self._state_bytes = 0

    @property
    def n_states(self) -> int:
        """Number of states kept."""
        return len(self._kept)

    @property
    def size_bytes(self) -> int:
        """Memory the states take."""
        with self._lock:
            return len(self._kept) * self._state_bytes

    def n_known(self, ids: NDArray[np.int32], lines: Sequence[int] | NDArray[np.int64]) -> int:
        """Return how many of a request's tokens need not be read again; arguments as for `reading`."""
        with self._lock:
            for line, key in reversed(list(zip(lines, _digests(ids, lines), strict=True))):
                if key in self._kept:
                    return int(line)
        return 0

    def reading(
        self, ids: NDArray[np.int32], lines: Sequence[int] | NDArray[np.int64]
    ) -> Iterator[tuple[int, NDArray[np.float32], StateT]]:
        """Read a request bar by bar from the last bar line that is known.

        Args:
            ids: int32 [T].
            lines: numbers of tokens, ascending, all above 0 and below T or at T, after which a state is kept.

        Yields:
            After every piece: how many tokens it had, the logits float32 [V] behind it, and the state, which must not
            be changed. Nothing, if a state of exactly these tokens is known.

        """
        keys = _digests(ids, lines) if self.budget_bytes else []
        done, state = self._begin(keys, lines)
        stops = [(int(line), key) for line, key in zip(lines, keys, strict=False) if line > done]
        for stop, key in stops:
            logits, state = self.engine.prefill(ids[done:stop], state)
            self._keep(keys, key, state, stop)
            yield stop - done, logits, state
            done = stop
        if done < len(ids):
            logits, state = self.engine.prefill(ids[done:], state)
            yield len(ids) - done, logits, state

    def _begin(self, keys: list[bytes], lines: Sequence[int] | NDArray[np.int64]) -> tuple[int, StateT | None]:
        """Find the last known bar line of a request, and mark all that it passes as used."""
        with self._lock:
            self._n_readings += 1
            done, state = 0, None
            for line, key in zip(lines, keys, strict=False):
                kept = self._kept.get(key)
                if kept is not None:
                    kept.used, done, state = self._n_readings, int(line), kept.state
            return done, state

    def _keep(self, way: list[bytes], key: bytes, state: StateT, n_tokens: int) -> None:
        size = int(getattr(state, "size_bytes", 0))
        if size == 0 or size > self.budget_bytes:
            return
        with self._lock:
            before = (other for other in reversed(way[: way.index(key)]) if other in self._kept)
            self._state_bytes = size
            self._kept[key] = _Kept(state, n_tokens, next(before, None), self._n_readings)
            while self.size_bytes > self.budget_bytes:
                self._drop_one()

    def _drop_one(self) -> None:
        """Drop the state that is missed least."""
        nearest_child: dict[bytes, int] = {}
        for kept in self._kept.values():
            if kept.parent is not None:
                nearest_child[kept.parent] = min(kept.n_tokens, nearest_child.get(kept.parent, kept.n_tokens))

        def loss(key: bytes) -> tuple[float, int]:
            kept = self._kept[key]
            before = self._kept[kept.parent].n_tokens if kept.parent is not None else 0
            after = nearest_child.get(key, 2 * kept.n_tokens - before)
            age = min(self._n_readings - kept.used, _MOST_AGE)
            return (after - before) / (1 + age), kept.n_tokens

        least = min(self._kept, key=loss)
        parent = self._kept.pop(least).parent
        for kept in self._kept.values():
            if kept.parent == least:
                kept.parent = parent


def _digests(ids: NDArray[np.int32], lines: Sequence[int] | NDArray[np.int64]) -> list[bytes]:
    """Return a digest of everything before each line."""
    data = np.ascontiguousarray(ids, dtype=np.int32)
    running = blake2b(digest_size=_DIGEST_BYTES)
    found, done = [], 0
    for line in lines:
        running.update(data[done:line].tobytes())
        found.append(running.copy().digest())
        done = int(line)
    return found
