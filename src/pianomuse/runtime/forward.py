"""The whole model in one compiled function: a token for every lane, or a piece of one sequence.

Every thread runs `forward` with its own rank; the threads meet between the phases of a layer. What is worked on at
once is a row of columns. In a sequence the columns are successive tokens of one lane; otherwise every column is the
next token of its own lane. Both go through the same operations per column, so that reading a sequence at once, in
pieces or token by token gives the same numbers to the last bit, and so does any number of lanes and threads.

Legend: L layers, B lanes, C width, H heads, N head size, V vocabulary, T columns.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from llvmlite.binding import get_host_cpu_features
from numba import njit
from numpy.typing import NDArray

from pianomuse.kernels.matvec import SUMS, product
from pianomuse.kernels.sync import ABANDONED, control_array, meet
from pianomuse.kernels.wkv_step import finish_head, prepare_keys, recur
from pianomuse.runtime.packing import VECTORS
from pianomuse.runtime.plan import BUFFERS, HIDDEN, N_PHASES

X, Q, MIX, R, K, V, FIRST_V, DECAY, RATE, GATE, REMOVAL, Y = map(
    BUFFERS.index, ("x", "q", "mix_r", "r", "k", "v", "first_v", "decay", "rate", "gate", "removal", "y")
)
LOGITS = len(BUFFERS) + HIDDEN.index("logits")
LN1, LN2, X_R, X_FFN, K_K, K_A, R_K, LN_X = map(
    VECTORS.index,
    ("ln1.weight", "ln2.weight", "att.x_r", "ffn.x_k", "att.k_k", "att.k_a", "att.r_k", "att.ln_x.weight"),
)
__all__ = ["ABANDONED", "Lanes", "Team", "control_array", "forward", "widest_tile"]

N_VECTORS = len(VECTORS)
N_MIXES = 6
TIME, CHANNEL = 0, 1  # the two mixes of a layer


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


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
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
    n, C = len(ids), plan.n_embd
    rank, n_threads = team.rank, team.n_threads
    control, yield_address = team.control, team.yield_address
    first, end = _share(n, rank, n_threads)
    for column in range(first, end):
        at = plan.places[X] + column * plan.width
        for j in range(C):
            scratch[at + j] = model.embedding[ids[column], j]
    meet(control, rank, n_threads, yield_address)
    for layer in range(plan.n_layer):
        phase = layer * N_PHASES
        _mix_in(model, plan, scratch, layer, TIME, lanes, is_sequence, n, team)
        meet(control, rank, n_threads, yield_address)
        _keep_shift(plan, scratch, layer, TIME, lanes, is_sequence, n, team)
        _multiply(model, plan, phase, scratch, n, team)
        meet(control, rank, n_threads, yield_address)
        _multiply(model, plan, phase + 1, scratch, n, team)
        meet(control, rank, n_threads, yield_address)
        _recall(model, plan, layer, scratch, lanes, is_sequence, n, team)
        meet(control, rank, n_threads, yield_address)
        _multiply(model, plan, phase + 2, scratch, n, team)
        meet(control, rank, n_threads, yield_address)
        _mix_in(model, plan, scratch, layer, CHANNEL, lanes, is_sequence, n, team)
        meet(control, rank, n_threads, yield_address)
        _keep_shift(plan, scratch, layer, CHANNEL, lanes, is_sequence, n, team)
        _multiply(model, plan, phase + 3, scratch, n, team)
        meet(control, rank, n_threads, yield_address)
        _multiply(model, plan, phase + 4, scratch, n, team)
        meet(control, rank, n_threads, yield_address)
    wanted = logits.shape[0]
    first, end = _share(wanted, rank, n_threads)
    for column in range(first, end):
        source = plan.places[X] + (n - wanted + column) * plan.width
        target = plan.places[Q] + column * plan.width
        _layer_norm(scratch, source, target, model.vectors, plan.n_layer * N_VECTORS * plan.width, C, plan.width)
    meet(control, rank, n_threads, yield_address)
    _multiply(model, plan, plan.n_layer * N_PHASES, scratch, wanted, team)
    meet(control, rank, n_threads, yield_address)
    gap = plan.table[-1, 7]
    first, end = _share(wanted, rank, n_threads)
    for column in range(first, end):
        for j in range(logits.shape[1]):
            logits[column, j] = scratch[plan.places[LOGITS] + column * gap + j]
    meet(control, rank, n_threads, yield_address)


@njit(nogil=True)  # type: ignore[untyped-decorator]
def _share(n, rank, n_threads):  # type: ignore[no-untyped-def]
    """Return (first, end) of the part of n things that a thread does."""
    return n * rank // n_threads, n * (rank + 1) // n_threads


@njit(nogil=True)  # type: ignore[untyped-decorator]
def _multiply(model, plan, phase, scratch, n, team):  # type: ignore[no-untyped-def]
    """Compute this thread's share of all panels of a phase, on n columns."""
    begin, stop = plan.phases[phase], plan.phases[phase + 1]
    panels = 0
    for index in range(begin, stop):
        panels += plan.table[index, 1]
    first, end = _share(panels, team.rank, team.n_threads)
    sums = plan.spare_at + team.rank * plan.spare_size
    done = 0
    for index in range(begin, stop):
        row = plan.table[index]
        low, high = max(first - done, 0), min(end - done, row[1])
        if low < high:
            product(
                model.weights, model.scales, model.vectors, row, scratch, sums, n, low, high, team.widest
            )  # fmt: skip
        done += row[1]


@njit(nogil=True)  # type: ignore[untyped-decorator]
def _mix_in(model, plan, scratch, layer, part, lanes, is_sequence, n, team):  # type: ignore[no-untyped-def]
    """Normalise this thread's columns and mix every one with the token before it: six ways in time, one in channels."""
    C, width, vectors = plan.n_embd, plan.width, model.vectors
    base = layer * N_VECTORS * width
    norm = base + (LN1 if part == TIME else LN2) * width
    weight = base + (X_R if part == TIME else X_FFN) * width
    n_ways = N_MIXES if part == TIME else 1
    first, end = _share(n, team.rank, team.n_threads)
    for column in range(first, end):
        x, here = plan.places[X] + column * width, plan.places[Q] + column * width
        _layer_norm(scratch, x, here, vectors, norm, C, width)
        before = here - width
        if is_sequence and column == first and column > 0:  # the other thread may not have normalised it yet
            before = plan.spare_at + team.rank * plan.spare_size + SUMS
            _layer_norm(scratch, x - width, before, vectors, norm, C, width)
        for way in range(n_ways):
            target = plan.places[MIX + way] + column * width
            if is_sequence and column > 0:
                _mix(scratch, here, scratch, before, vectors, weight + way * width, target, C)
            else:
                carried = ((layer * 2 + part) * lanes.n_lanes + column) * C
                _mix(scratch, here, lanes.shift, carried, vectors, weight + way * width, target, C)


@njit(nogil=True)  # type: ignore[untyped-decorator]
def _mix(scratch, here, past, before, vectors, weight, target, C):  # type: ignore[no-untyped-def]
    """Write present + (past - present) * weight."""
    for j in range(C):
        now = scratch[here + j]
        scratch[target + j] = now + (past[before + j] - now) * vectors[weight + j]


@njit(nogil=True)  # type: ignore[untyped-decorator]
def _keep_shift(plan, scratch, layer, part, lanes, is_sequence, n, team):  # type: ignore[no-untyped-def]
    """Write the normalised columns that the next tokens will be mixed with into the state."""
    if team.rank > 0:
        return
    C = plan.n_embd
    for lane in range(lanes.n_lanes):
        source = plan.places[Q] + (n - 1 if is_sequence else lane) * plan.width
        target = ((layer * 2 + part) * lanes.n_lanes + lane) * C
        for j in range(C):
            lanes.shift[target + j] = scratch[source + j]


@njit(nogil=True)  # type: ignore[untyped-decorator]
def _recall(model, plan, layer, scratch, lanes, is_sequence, n, team):  # type: ignore[no-untyped-def]
    """Run this thread's heads over all columns: keys, recurrence, normalisation, bonus, gate."""
    N, width, vectors = plan.head_size, plan.width, model.vectors
    places = plan.places
    value = places[FIRST_V if layer == 0 else V]
    first, end = _share(plan.n_head, team.rank, team.n_threads)
    for head in range(first, end):
        base = layer * N_VECTORS * width + head * N
        k_k, k_a, r_k = base + K_K * width, base + K_A * width, base + R_K * width
        weight, bias = base + LN_X * width, base + (LN_X + 1) * width
        for column in range(n):
            lane = 0 if is_sequence else column
            memory = ((layer * lanes.n_lanes + lane) * plan.n_head + head) * N * N
            at = column * width + head * N
            r, k, v, y = places[R] + at, places[K] + at, value + at, places[Y] + at
            removal, rate = places[REMOVAL] + at, places[RATE] + at
            prepare_keys(scratch, k, rate, removal, vectors, k_k, k_a, N)
            recur(scratch, r, places[DECAY] + at, k, v, removal, rate, y, lanes.wkv, memory, N)
            finish_head(scratch, y, r, k, v, places[GATE] + at, vectors, weight, bias, r_k, N)


@njit(nogil=True, fastmath={"reassoc", "contract", "nsz"})  # type: ignore[untyped-decorator]
def _layer_norm(scratch, source, target, vectors, weight, C, width):  # type: ignore[no-untyped-def]
    """Normalise C numbers of scratch from source to target; the bias lies one row after the weight."""
    mean = np.float32(0)
    for j in range(C):
        mean += scratch[source + j]
    mean /= np.float32(C)
    variance = np.float32(0)
    for j in range(C):
        variance += (scratch[source + j] - mean) ** 2
    scale = np.float32(1) / np.float32(math.sqrt(variance / np.float32(C) + np.float32(1e-5)))
    for j in range(C):
        scratch[target + j] = (scratch[source + j] - mean) * scale * vectors[weight + j] + vectors[weight + width + j]
