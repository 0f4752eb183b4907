"""The whole model in one compiled function: a token for every lane, or a piece of one sequence.

Every thread runs `forward` with its own rank; the threads meet between the phases of a layer. What is worked on at
once is a row of columns. In a sequence the columns are successive tokens of one lane; otherwise every column is the
next token of its own lane. Both go through the same operations per column, so that reading a sequence at once, in
pieces or token by token gives the same numbers to the last bit, and so does any number of lanes and threads.

Legend: L layers, B lanes, C width, H heads, N head size, V vocabulary, T columns.
"""

from __future__ import annotations

import logging
import math
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from llvmlite.binding import get_host_cpu_features  # type: ignore[import-untyped]
from numba import njit
from numpy.typing import NDArray

from pianomuse.kernels import matvec, sync, vectors, wkv_step
from pianomuse.kernels.matvec import SUMS, product, total
from pianomuse.kernels.sync import ABANDONED, control_array, meet
from pianomuse.kernels.vectors import LANES, add, fill, fma, load, mul, store, sub
from pianomuse.kernels.wkv_step import finish_head, prepare_keys, recur
from pianomuse.runtime import packing, plan
from pianomuse.runtime.packing import VECTORS
from pianomuse.runtime.plan import BUFFERS, HIDDEN

__all__ = ["ABANDONED", "Lanes", "Team", "compiled_forward", "control_array", "widest_tile"]

X, Q, MIX, R, K, V, FIRST_V, DECAY, RATE, GATE, REMOVAL, Y = map(
    BUFFERS.index, ("x", "q", "mix_r", "r", "k", "v", "first_v", "decay", "rate", "gate", "removal", "y")
)
LOGITS = len(BUFFERS) + HIDDEN.index("logits")
LN1, LN2, X_R, X_FFN, K_K, K_A, R_K, LN_X = map(
    VECTORS.index,
    ("ln1.weight", "ln2.weight", "att.x_r", "ffn.x_k", "att.k_k", "att.k_a", "att.r_k", "att.ln_x.weight"),
)
N_VECTORS = len(VECTORS)
N_MIXES = 6
LOG = logging.getLogger(__name__)
TIME = 0  # the first of the two mixes of a layer
N_PHASES = (3, 2)  # of them: see plan.WORK
ALL_PHASES = sum(N_PHASES)
RECALL = 2  # the phase of the time mix that needs what the heads recalled


class Lanes(NamedTuple):
    """A State, flat: shift [L * 2 * B * C], wkv [L * B * H * N * N], number of lanes B."""

    shift: NDArray[np.float32]
    wkv: NDArray[np.float32]
    n_lanes: int


class Team(NamedTuple):
    """One of the threads that run `forward` together; see kernels/sync.py."""

    rank: int
    n_threads: int
    control: NDArray[np.int64]
    yield_address: int
    widest: int  # columns a product takes at once, see kernels/matvec.py


def widest_tile() -> int:
    """Return how many columns a product can take at once on this machine without running out of vector registers."""
    return 8 if get_host_cpu_features().get("avx512f") else 2


@cache
def compiled_forward() -> Any:
    """Return the compiled pass; numba compiles it at its first call and keeps it in its cache folder.

    numba looks only at the file of a cached function for changes, and at its closure. The closure therefore holds a
    digest of every file whose code is compiled in. Where no folder can be written, the code lives in memory only.
    """
    parts = (sys.modules[__name__], matvec, packing, plan, sync, vectors, wkv_step)
    sources = sha256(b"".join(Path(str(part.__file__)).read_bytes() for part in parts)).hexdigest()

    def forward(model, plan, ids, is_sequence, lanes, scratch, logits, team):  # type: ignore[no-untyped-def]
        """Read the columns' tokens and advance the state; write the logits of the last columns.

        Args:
            model: see packing.Model.
            plan: see plan.Plan.
            ids: int64 [T], T <= plan.MAX_COLUMNS.
            is_sequence: whether the columns are successive tokens of the only lane.
            lanes: the state, changed in place.
            scratch: float32, contents irrelevant, size as the plan says.
            logits: float32 [at most T, V]: of so many last columns.
            team: this thread and the others.
        """
        _ = sources
        n = len(ids)
        _embed(model, plan, ids, scratch, team)
        _meet(team)
        for layer in range(plan.n_layer):
            for part in range(2):
                _mix_in(model, plan, scratch, layer, part, lanes, is_sequence, n, team)
                _meet(team)
                _keep_shift(plan, scratch, layer, part, lanes, is_sequence, n, team)
                for step in range(N_PHASES[part]):
                    if part == TIME and step == RECALL:
                        _recall(model, plan, layer, scratch, lanes, is_sequence, n, team)
                        _meet(team)
                    phase = layer * ALL_PHASES + part * N_PHASES[TIME] + step
                    _multiply(model, plan, phase, scratch, n, team)
                    _meet(team)
        _prepare_head(model, plan, scratch, n, logits.shape[0], team)
        _meet(team)
        _multiply(model, plan, plan.n_layer * ALL_PHASES, scratch, logits.shape[0], team)
        _meet(team)
        _hand_out(plan, scratch, logits, team)
        _meet(team)

    try:
        return njit(nogil=True, cache=True)(forward)
    except RuntimeError as error:  # numba found no folder to write to
        LOG.warning("compiled code is not kept (%s); set NUMBA_CACHE_DIR to a folder that can be written", error)
        return njit(nogil=True)(forward)


@njit(nogil=True)
def _meet(team):  # type: ignore[no-untyped-def]
    meet(team.control, team.rank, team.n_threads, team.yield_address)


@njit(nogil=True)
def _embed(model, plan, ids, scratch, team):  # type: ignore[no-untyped-def]
    """Look this thread's columns up in the embedding."""
    C = plan.n_embd
    first, end = _share(len(ids), team.rank, team.n_threads)
    for column in range(first, end):
        _copy(model.embedding, ids[column] * C, scratch, plan.places[X] + column * C, C)


@njit(nogil=True)
def _prepare_head(model, plan, scratch, n, wanted, team):  # type: ignore[no-untyped-def]
    """Normalise this thread's part of the last `wanted` of n columns for the head."""
    C = plan.n_embd
    first, end = _share(wanted, team.rank, team.n_threads)
    for column in range(first, end):
        source = plan.places[X] + (n - wanted + column) * C
        target = plan.places[Q] + column * C
        _layer_norm(scratch, source, target, model.vectors, plan.n_layer * N_VECTORS * C, C)


@njit(nogil=True)
def _hand_out(plan, scratch, logits, team):  # type: ignore[no-untyped-def]
    """Copy this thread's part of the logits to the caller, without the padding."""
    gap = plan.table[-1, 7]
    first, end = _share(logits.shape[0], team.rank, team.n_threads)
    for column in range(first, end):
        at = plan.places[LOGITS] + column * gap
        for token in range(logits.shape[1]):
            logits[column, token] = scratch[at + token]


@njit(nogil=True)
def _share(n, rank, n_threads):  # type: ignore[no-untyped-def]
    """Return (first, end) of the part of n things that a thread does."""
    return n * rank // n_threads, n * (rank + 1) // n_threads


@njit(nogil=True)
def _multiply(model, plan, phase, scratch, n, team):  # type: ignore[no-untyped-def]
    """Compute this thread's share of all panels of a phase, on n columns."""
    first, end = _share(plan.phases[phase, 2], team.rank, team.n_threads)
    sums = plan.spare_at + team.rank * plan.spare_size
    for index in range(plan.phases[phase, 0], plan.phases[phase, 1]):
        row = plan.table[index]
        low, high = max(first, 0), min(end, row[1])
        if low < high:
            product(model.weights, model.scales, model.vectors, row, scratch, sums, n, low, high, team.widest)
        first -= row[1]
        end -= row[1]


@njit(nogil=True)
def _mix_in(model, plan, scratch, layer, part, lanes, is_sequence, n, team):  # type: ignore[no-untyped-def]
    """Normalise this thread's columns and mix every one with the token before it: six ways in time, one in channels."""
    C, vectors = plan.n_embd, model.vectors
    base = layer * N_VECTORS * C
    norm = base + (LN1 if part == TIME else LN2) * C
    weight = base + (X_R if part == TIME else X_FFN) * C
    n_ways = N_MIXES if part == TIME else 1
    spare = plan.spare_at + team.rank * plan.spare_size + SUMS
    first, end = _share(n, team.rank, team.n_threads)
    for column in range(first, end):
        x, here = plan.places[X] + column * C, plan.places[Q] + column * C
        _layer_norm(scratch, x, here, vectors, norm, C)
        before = here - C
        if not is_sequence or column == 0:
            before = spare
            carried = ((layer * 2 + part) * lanes.n_lanes + column) * C
            _copy(lanes.shift, carried, scratch, before, C)
        elif column == first:  # the thread whose column it is may not have normalised it yet
            before = spare
            _layer_norm(scratch, x - C, before, vectors, norm, C)
        for j in range(0, C, LANES):
            now = load(scratch, here + j)
            change = sub(load(scratch, before + j), now)
            for way in range(n_ways):
                mixed = fma(change, load(vectors, weight + way * C + j), now)
                store(scratch, plan.places[MIX + way] + column * C + j, mixed)


@njit(nogil=True)
def _keep_shift(plan, scratch, layer, part, lanes, is_sequence, n, team):  # type: ignore[no-untyped-def]
    """Write the normalised columns that the next tokens will be mixed with into the state."""
    if team.rank > 0:
        return
    C = plan.n_embd
    for lane in range(lanes.n_lanes):
        source = plan.places[Q] + (n - 1 if is_sequence else lane) * C
        target = ((layer * 2 + part) * lanes.n_lanes + lane) * C
        _copy(scratch, source, lanes.shift, target, C)


@njit(nogil=True)
def _recall(model, plan, layer, scratch, lanes, is_sequence, n, team):  # type: ignore[no-untyped-def]
    """Run this thread's heads over all columns: keys, recurrence, normalisation, bonus, gate."""
    N, C, vectors = plan.head_size, plan.n_embd, model.vectors
    places = plan.places
    value = places[FIRST_V if layer == 0 else V]
    first, end = _share(plan.n_head, team.rank, team.n_threads)
    for head in range(first, end):
        base = layer * N_VECTORS * C + head * N
        k_k, k_a, r_k = base + K_K * C, base + K_A * C, base + R_K * C
        weight, bias = base + LN_X * C, base + (LN_X + 1) * C
        for column in range(n):
            lane = 0 if is_sequence else column
            memory = ((layer * lanes.n_lanes + lane) * plan.n_head + head) * N * N
            at = column * C + head * N
            r, k, v, y = places[R] + at, places[K] + at, value + at, places[Y] + at
            removal, rate = places[REMOVAL] + at, places[RATE] + at
            prepare_keys(scratch, k, rate, removal, vectors, k_k, k_a, N)
            recur(scratch, r, places[DECAY] + at, k, v, removal, rate, y, lanes.wkv, memory, N)
            finish_head(scratch, y, r, k, v, places[GATE] + at, vectors, weight, bias, r_k, N)


@njit(nogil=True)
def _layer_norm(scratch, source, target, vectors, weight, C):  # type: ignore[no-untyped-def]
    """Normalise C numbers of scratch from source to target; the bias lies after the weight."""
    sums = fill(np.float32(0))
    for j in range(0, C, LANES):
        sums = add(sums, load(scratch, source + j))
    mean = fill(total(sums) / np.float32(C))
    squares = fill(np.float32(0))
    for j in range(0, C, LANES):
        deviation = sub(load(scratch, source + j), mean)
        squares = fma(deviation, deviation, squares)
    scale = fill(np.float32(1) / np.float32(math.sqrt(total(squares) / np.float32(C) + np.float32(1e-5))))
    for j in range(0, C, LANES):
        normal = mul(sub(load(scratch, source + j), mean), scale)
        store(scratch, target + j, fma(normal, load(vectors, weight + j), load(vectors, weight + C + j)))


@njit(nogil=True)
def _copy(source, source_at, target, target_at, C):  # type: ignore[no-untyped-def]
    """Copy C numbers."""
    for j in range(0, C, LANES):
        store(target, target_at + j, load(source, source_at + j))
