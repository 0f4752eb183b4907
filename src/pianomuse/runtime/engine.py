"""RWKV-7 on a CPU without PyTorch: reads a sequence in parallel, then writes a token for every lane per step.

Logits and states are the same to the last bit whether tokens are read at once, in pieces or one by one, alone or beside
other lanes, on one thread or on several (a test holds it): per token and lane the operations are the same ones in the
same order, see kernels/matvec.py. They differ between machines with other vector instructions in the last digits.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pianomuse.checkpoint.config import ModelConfig
from pianomuse.errors import RequestError
from pianomuse.runtime.packing import Floats, Precision, pack
from pianomuse.runtime.state import State
from pianomuse.runtime.workers import MAX_THREADS, WORKERS, default_threads, yield_address


class CpuEngine:
    """A model ready to read and to write tokens on a CPU; safe to call from several threads."""

    rows_are_exact = True
    """A row of `step` is the same to the last bit whatever other rows are computed beside it."""

    def __init__(
        self,
        config: ModelConfig,
        tensors: Mapping[str, Floats],
        *,
        precision: Precision = "float32",
        threads: int | None = None,
    ) -> None:
        """Lay out the weights for this machine.

        Args:
            config: the model's sizes.
            tensors: float32 weights under their official names; they are copied.
            precision: of the matrices: `float32`, or `int8` with a scale per row (a quarter of the memory, faster).
            threads: how many compute a step; default: as many as help, at most four.

        Raises:
            CheckpointError: tensors are missing or have the wrong shape.
            RequestError: an unknown precision or an impossible number of threads.
        """
        if precision not in ("float32", "int8"):
            raise RequestError(f"engine: precision {precision!r} is unknown; use float32 or int8")
        if threads is not None and not 1 <= threads <= MAX_THREADS:
            raise RequestError(f"engine: {threads} threads are impossible; use 1..{MAX_THREADS}")
        self.config = config
        self.precision = precision
        self.threads = threads or default_threads()
        from pianomuse.runtime import forward, plan  # imports numba, which takes a moment

        self._model = pack(config, tensors, precision)
        self._plan = plan.plan(config)
        self._max_columns = plan.MAX_COLUMNS
        self._scratch = np.zeros(self._plan.spare_at + self.threads * self._plan.spare_size, np.float32)
        self._compiled = forward
        self._run = forward.compiled_forward()
        self._machine = (yield_address(), forward.widest_tile())
        self._beginning = State.empty(config)

    @property
    def vocab_size(self) -> int:
        """Number of tokens V."""
        return self.config.vocab_size

    def beginning_with(self, wkv: Floats) -> CpuEngine:
        """Return an engine of the same weights that begins every sequence with a memory of its own (a tuned style).

        Args:
            wkv: float32 [L, H, N(value), N(key)].

        Raises:
            RequestError: the memory of another model.
        """
        beginning = State.empty(self.config)
        if wkv.shape != (own := beginning.wkv[:, 0].shape):
            raise RequestError(f"engine: a memory of shape {wkv.shape} belongs to another model; this one: {own}")
        beginning.wkv[:, 0] = wkv
        other = copy.copy(self)  # the scratch array is shared too: only one piece of work runs at a time
        other._beginning = beginning
        return other

    def prefill(self, ids: NDArray[np.integer], state: State | None = None) -> tuple[Floats, State]:
        """Read a sequence.

        Args:
            ids: integers [T], T >= 1.
            state: one lane, where the sequence goes on; None at its beginning. It is not changed.

        Returns:
            Logits float32 [V] after the last token, and the state there.

        Raises:
            RequestError: no ids, ids outside the vocabulary, or a state of several lanes or of another model.
        """
        logits, state = self._read(ids, state, want_all=False)
        return logits[0], state

    def prefill_all(self, ids: NDArray[np.integer], state: State | None = None) -> tuple[Floats, State]:
        """Read a sequence like `prefill`; return the logits float32 [T, V] after every token, and the last state."""
        return self._read(ids, state, want_all=True)

    def step(self, ids: NDArray[np.integer], state: State) -> Floats:
        """Read one more token per lane.

        Args:
            ids: integers [B].
            state: B lanes; changed in place.

        Returns:
            Logits float32 [B, V].

        Raises:
            RequestError: another number of ids than lanes, ids outside the vocabulary, a state of another model.
        """
        ids = self._checked(ids, state)
        if len(ids) != state.batch:
            raise RequestError(f"step: {len(ids)} tokens for {state.batch} lanes; give one token per lane")
        if state.batch > self._max_columns:
            raise RequestError(f"step: {state.batch} lanes are too many; step at most {self._max_columns} together")
        logits = np.empty((state.batch, self.vocab_size), np.float32)
        self._forward(ids, state, logits, is_sequence=False)
        return logits

    def _read(self, ids: NDArray[np.integer], state: State | None, want_all: bool) -> tuple[Floats, State]:
        state = (self._beginning if state is None else state).copy()
        ids = self._checked(ids, state)
        if state.batch != 1:
            raise RequestError(f"prefill: a state of {state.batch} lanes; give a state of one lane")
        logits = np.empty((len(ids) if want_all else 1, self.vocab_size), np.float32)
        piece_size = self._max_columns
        for start in range(0, len(ids), piece_size):
            piece = ids[start : start + piece_size]
            is_last = start + piece_size >= len(ids)
            out = logits[start : start + piece_size] if want_all else logits[: int(is_last)]
            self._forward(piece, state, out, is_sequence=True)
        return logits, state

    def _checked(self, ids: NDArray[np.integer], state: State) -> NDArray[np.int64]:
        ids = np.asarray(ids)
        if ids.ndim != 1 or len(ids) == 0 or ids.dtype.kind not in "iu":
            raise RequestError(f"engine: expected a non-empty row of integer ids, got {ids.dtype} {ids.shape}")
        if ids.min() < 0 or ids.max() >= self.vocab_size:
            raise RequestError(f"engine: token ids {ids.min()}..{ids.max()} are not all in 0..{self.vocab_size - 1}")
        config = self.config
        own = (config.n_layer, state.batch, config.n_head, config.head_size, config.head_size)
        if state.wkv.shape != own:
            raise RequestError(f"engine: a state of shape {state.wkv.shape} belongs to another model; this one: {own}")
        return np.ascontiguousarray(ids, dtype=np.int64)

    def _forward(self, ids: NDArray[np.int64], state: State, logits: Floats, *, is_sequence: bool) -> None:
        compiled, machine = self._compiled, self._machine
        lanes = compiled.Lanes(state.shift.reshape(-1), state.wkv.reshape(-1), state.batch)
        entries = compiled.new_ledger(self.config.n_layer)

        def part(rank: int) -> None:
            team = compiled.Team(rank, entries, *machine)
            self._run(self._model, self._plan, ids, is_sequence, lanes, self._scratch, logits, team)

        WORKERS.run(part, self.threads, lambda: compiled.abandon(entries))
