"""The whole model in one compiled function: a token for every lane, or a piece of one sequence.

Every thread runs `forward`; together they go from phase to phase, and share the items of each. What is worked on at
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
from pianomuse.kernels.matvec import SUMS, product, tile, total
from pianomuse.kernels.sync import abandon, ledger, settle, take
from pianomuse.kernels.vectors import LANES, add, fill, fma, load, mul, store, sub
from pianomuse.kernels.wkv_step import finish_head, prepare_keys, recur
from pianomuse.runtime import packing, plan
from pianomuse.runtime.packing import VECTORS
from pianomuse.runtime.plan import BUFFERS, HIDDEN

__all__ = ["Lanes", "Team", "abandon", "compiled_forward", "new_ledger", "widest_tile"]

X, Q, MIX, R, K, V, FIRST_V, DECAY, RATE, GATE, REMOVAL, Y = map(
    BUFFERS.index, ("x", "q", "mix_r", "r", "k", "v", "first_v", "decay", "rate", "gate", "removal", "y")
)
LOGITS, DEEP_IN, DEEP_OUT, CARRIED = (n + len(BUFFERS) for n in range(HIDDEN.index("logits"), len(HIDDEN)))
LN1, LN2, X_R, X_FFN, K_K, K_A, R_K, LN_X = map(
    VECTORS.index,
    ("ln1.weight", "ln2.weight", "att.x_r", "ffn.x_k", "att.k_k", "att.k_a", "att.r_k", "att.ln_x.weight"),
)
N_VECTORS, N_MIXES = len(VECTORS), 6
LOG = logging.getLogger(__name__)
TIME, CHANNEL = 0, 1  # the two mixes of a layer
N_PHASES, N_DEEP_PHASES = 8, 2  # of a layer, and more of one with DeepEmbed
RANK = packing.ROWS  # of DeepEmbed
GROUP = 8  # columns that are mixed as one item


class Lanes(NamedTuple):
    """A State, flat: shift [L * 2 * B * C], wkv [L * B * H * N * N], number of lanes B."""

    shift: NDArray[np.float32]
    wkv: NDArray[np.float32]
    n_lanes: int


class Team(NamedTuple):
    """One of the threads that run `forward` together; see kernels/sync.py."""

    rank: int
    entries: NDArray[np.int64]
    yield_address: int
    widest: int  # columns a product takes at once, see kernels/matvec.py


def widest_tile() -> int:
    """Return how many columns a product can take at once on this machine without running out of vector registers."""
    return 8 if get_host_cpu_features().get("avx512f") else 2


def new_ledger(n_layer: int) -> NDArray[np.int64]:
    """Return the ledger for one run of the pass."""
    return ledger(1 + n_layer * (N_PHASES + N_DEEP_PHASES) + 3)


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
        _embed(model, plan, ids, is_sequence, lanes, scratch, team)
        phase = 1
        n = len(ids)
        for layer in range(plan.n_layer):
            products = layer * plan.n_products
            _mix_in(model, plan, scratch, layer, TIME, lanes, is_sequence, n, team, phase)
            _multiply(model, plan, scratch, products, n, team, phase + 1)
            _multiply(model, plan, scratch, products + 1, n, team, phase + 2)
            _recall(model, plan, scratch, layer, lanes, is_sequence, n, team, phase + 3)
            _multiply(model, plan, scratch, products + 2, n, team, phase + 4)
            _mix_in(model, plan, scratch, layer, CHANNEL, lanes, is_sequence, n, team, phase + 5)
            _multiply(model, plan, scratch, products + 3, n, team, phase + 6)
            if plan.has_deep_embed:
                _look_deep(model, plan, scratch, layer, ids, team, phase + 7)
                _multiply(model, plan, scratch, products + 4, n, team, phase + 8)
                phase += N_DEEP_PHASES
            _multiply(model, plan, scratch, products + plan.n_products - 1, n, team, phase + 7)
            phase += N_PHASES
        _prepare_head(model, plan, scratch, n, len(logits), team, phase)
        _multiply(model, plan, scratch, plan.n_layer * plan.n_products, len(logits), team, phase + 1)
        _hand_out(plan, scratch, logits, team, phase + 2)

    try:
        return njit(nogil=True, cache=True)(forward)
    except RuntimeError as error:  # numba found no folder to write to
        LOG.warning("compiled code is not kept (%s); set NUMBA_CACHE_DIR to a folder that can be written", error)
        return njit(nogil=True)(forward)


@njit(nogil=True)
def _embed(model, plan, ids, is_sequence, lanes, scratch, team):  # type: ignore[no-untyped-def]
    """Look the columns up in the embedding; keep what a sequence's first column will be mixed with."""
    C, n = plan.n_embd, len(ids)
    n_done, column = 0, take(team.entries, 0)
    while column < n:
        _copy(model.embedding, ids[column] * C, scratch, plan.places[X] + column * C, C)
        if is_sequence and column == 0:
            _copy(lanes.shift, 0, scratch, plan.places[CARRIED], len(lanes.shift))
        n_done, column = n_done + 1, take(team.entries, 0)
    settle(team.entries, 0, n_done, n, team.yield_address)


@njit(nogil=True)
def _mix_in(model, plan, scratch, layer, part, lanes, is_sequence, n, team, phase):  # type: ignore[no-untyped-def]
    """Normalise the columns and mix each with the token before it: six ways for the time mix, one for the channel mix.

    An item is a lane, or a few columns of a sequence. The normalised column goes into the state for the next token.
    """
    size = GROUP if is_sequence else 1
    n_items = (n + size - 1) // size
    n_done, item = 0, take(team.entries, phase)
    while item < n_items:
        for column in range(item * size, min(n, (item + 1) * size)):
            is_first_of_item = column == item * size
            _mix_column(model, plan, scratch, layer, part, lanes, is_sequence, n, column, is_first_of_item, team.rank)
        n_done, item = n_done + 1, take(team.entries, phase)
    settle(team.entries, phase, n_done, n_items, team.yield_address)


@njit(nogil=True)
def _mix_column(model, plan, scratch, layer, part, lanes, is_sequence, n, column, is_first, rank):  # type: ignore[no-untyped-def]
    """Do that for one column; `is_first`: the column before it belongs to another item, which may not be done yet."""
    C, vectors = plan.n_embd, model.vectors
    base = layer * N_VECTORS * C
    norm = base + (LN1 if part == TIME else LN2) * C
    weight = base + (X_R if part == TIME else X_FFN) * C
    x, here = plan.places[X] + column * C, plan.places[Q] + column * C
    _layer_norm(scratch, x, here, vectors, norm, C)
    in_state = ((layer * 2 + part) * lanes.n_lanes + (0 if is_sequence else column)) * C
    before = here - C
    if is_sequence and column == 0:
        before = plan.places[CARRIED] + in_state
    elif not is_sequence or is_first:
        before = plan.spare_at + rank * plan.spare_size + SUMS
        if is_sequence:
            _layer_norm(scratch, x - C, before, vectors, norm, C)
        else:
            _copy(lanes.shift, in_state, scratch, before, C)
    for j in range(0, C, LANES):
        now = load(scratch, here + j)
        change = sub(load(scratch, before + j), now)
        for way in range(N_MIXES if part == TIME else 1):
            mixed = fma(change, load(vectors, weight + way * C + j), now)
            store(scratch, plan.places[MIX + way] + column * C + j, mixed)
    if not is_sequence or column == n - 1:
        _copy(scratch, here, lanes.shift, in_state, C)


@njit(nogil=True)
def _multiply(model, plan, scratch, products, n, team, phase):  # type: ignore[no-untyped-def]
    """Compute the products of a row of plan.phases on n columns. An item is two panels, with many columns one."""
    n_panels = plan.phases[products, 2]
    size = 2 if n <= 2 * GROUP else 1
    n_items = (n_panels + size - 1) // size
    sums = plan.spare_at + team.rank * plan.spare_size
    n_done, item = 0, take(team.entries, phase)
    while item < n_items:
        first, end = item * size, min((item + 1) * size, n_panels)
        for index in range(plan.phases[products, 0], plan.phases[products, 1]):
            row = plan.table[index]
            low, high = max(first, 0), min(end, row[1])
            if low < high:
                product(model.weights, model.scales, model.vectors, row, scratch, sums, n, low, high, team.widest)
            first -= row[1]
            end -= row[1]
        n_done, item = n_done + 1, take(team.entries, phase)
    settle(team.entries, phase, n_done, n_items, team.yield_address)


@njit(nogil=True)
def _look_deep(model, plan, scratch, layer, ids, team, phase):  # type: ignore[no-untyped-def]
    """Multiply what DeepEmbed looks at with the matrix of each column's own token."""
    n, n_tokens = len(ids), len(model.deep) // (plan.n_layer * RANK * RANK)
    n_done, column = 0, take(team.entries, phase)
    while column < n:
        matrix = (layer * n_tokens + ids[column]) * RANK * RANK
        source, target = plan.places[DEEP_IN] + column * RANK, plan.places[DEEP_OUT] + column * RANK
        tile(1, model.deep, matrix, RANK, scratch, source, RANK, target)
        n_done, column = n_done + 1, take(team.entries, phase)
    settle(team.entries, phase, n_done, n, team.yield_address)


@njit(nogil=True)
def _recall(model, plan, scratch, layer, lanes, is_sequence, n, team, phase):  # type: ignore[no-untyped-def]
    """Run the heads: an item is a head of one lane, through all of its columns."""
    n_rows = 1 if is_sequence else n
    n_items = plan.n_head * n_rows
    n_done, item = 0, take(team.entries, phase)
    while item < n_items:
        head, row = item // n_rows, item % n_rows
        for column in range(n if is_sequence else 1):
            _recall_column(model, plan, scratch, layer, lanes, head, row, row + column)
        n_done, item = n_done + 1, take(team.entries, phase)
    settle(team.entries, phase, n_done, n_items, team.yield_address)


@njit(nogil=True)
def _recall_column(model, plan, scratch, layer, lanes, head, lane, column):  # type: ignore[no-untyped-def]
    """Run one head on one column: keys, recurrence, normalisation, bonus, gate."""
    N, C, vectors, places = plan.head_size, plan.n_embd, model.vectors, plan.places
    base, at = layer * N_VECTORS * C + head * N, column * C + head * N
    memory = ((layer * lanes.n_lanes + lane) * plan.n_head + head) * N * N
    r, k, y = places[R] + at, places[K] + at, places[Y] + at
    v = places[FIRST_V if layer == 0 else V] + at
    removal, rate = places[REMOVAL] + at, places[RATE] + at
    prepare_keys(scratch, k, rate, removal, vectors, base + K_K * C, base + K_A * C, N)
    recur(scratch, r, places[DECAY] + at, k, v, removal, rate, y, lanes.wkv, memory, N)
    weight, bias, r_k = base + LN_X * C, base + (LN_X + 1) * C, base + R_K * C
    finish_head(scratch, y, r, k, v, places[GATE] + at, vectors, weight, bias, r_k, N)


@njit(nogil=True)
def _prepare_head(model, plan, scratch, n, wanted, team, phase):  # type: ignore[no-untyped-def]
    """Normalise the last `wanted` of n columns for the head."""
    C = plan.n_embd
    n_done, column = 0, take(team.entries, phase)
    while column < wanted:
        source, target = plan.places[X] + (n - wanted + column) * C, plan.places[Q] + column * C
        _layer_norm(scratch, source, target, model.vectors, plan.n_layer * N_VECTORS * C, C)
        n_done, column = n_done + 1, take(team.entries, phase)
    settle(team.entries, phase, n_done, wanted, team.yield_address)


@njit(nogil=True)
def _hand_out(plan, scratch, logits, team, phase):  # type: ignore[no-untyped-def]
    """Copy the logits to the caller, without the padding."""
    n_done, column = 0, take(team.entries, phase)
    while column < len(logits):
        at = plan.places[LOGITS] + column * plan.table[-1, 7]
        for token in range(logits.shape[1]):
            logits[column, token] = scratch[at + token]
        n_done, column = n_done + 1, take(team.entries, phase)
    settle(team.entries, phase, n_done, len(logits), team.yield_address)


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
