"""The work of one pass through the model, written down as a table that the compiled code follows.

A pass goes through the layers in PHASES. In a phase some matrices are multiplied with columns that lie in a scratch
array, and the results go to other places there. Where everything lies depends on the model's sizes alone.

Legend: L layers, C width, T columns.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pianomuse.checkpoint.config import ModelConfig
from pianomuse.kernels.matvec import ADD, BLEND, DECAY, GATE, RATE, SIGMOID, SQUARED_RELU, STORE, SUMS, TANH
from pianomuse.runtime.packing import MATRICES, ROWS, VECTORS, has_matrix, padded

MAX_COLUMNS = 128  # columns worked on at once: lanes of a step, or a piece of a sequence

# Buffers of MAX_COLUMNS rows of C numbers, in this order at the start of the scratch array.
BUFFERS = (
    "x", "q", "mix_r", "mix_k", "mix_v", "mix_w", "mix_a", "mix_g",
    "r", "k", "v", "first_v", "decay", "rate", "gate", "removal", "y",
)  # fmt: skip
# Buffers of rows of other lengths after them; the last one holds a lane's whole shift state.
HIDDEN = (
    "hidden_w", "hidden_a", "hidden_v", "hidden_g", "hidden", "logits", "deep_in", "deep_out", "carried",
)  # fmt: skip

# Per matrix: phase, where its columns lie, where its results go, what becomes of them, with which bias. A model without
# DeepEmbed has no phase 4.
WORK = {
    "att.receptance.weight": (0, "mix_r", "r", STORE, None),
    "att.key.weight": (0, "mix_k", "k", STORE, None),
    "att.value.weight": (0, "mix_v", "v", STORE, None),
    "att.w1": (0, "mix_w", "hidden_w", TANH, None),
    "att.a1": (0, "mix_a", "hidden_a", STORE, None),
    "att.v1": (0, "mix_v", "hidden_v", STORE, None),
    "att.g1": (0, "mix_g", "hidden_g", SIGMOID, None),
    "att.w2": (1, "hidden_w", "decay", DECAY, "att.w0"),
    "att.a2": (1, "hidden_a", "rate", RATE, "att.a0"),
    "att.v2": (1, "hidden_v", "v", BLEND, "att.v0"),
    "att.g2": (1, "hidden_g", "gate", STORE, None),
    "att.output.weight": (2, "y", "x", ADD, None),
    "ffn.key.weight": (3, "mix_r", "hidden", SQUARED_RELU, None),
    "ffn.s1": (3, "q", "deep_in", STORE, None),
    "ffn.s2": (4, "deep_out", "hidden", GATE, "ffn.s0"),
    "ffn.value.weight": (5, "hidden", "x", ADD, None),
}


class Plan(NamedTuple):
    """What the compiled pass does, besides numbers.

    Attributes:
        table: int64 [n, 11], a row per matrix as they lie in the weights: offset of the weights, panels, inputs, offset
            of the scales, offset of the columns, their gap, offset of the results, their gap, what becomes of them (see
            kernels/matvec.py), offset of the bias, offset of the value to blend with.
        phases: int64 [L * n_products + 1, 3], per phase its first row of the table, the row after it, and its panels in
            all; the last phase is the head.
        places: int64 [17 + 9], the offsets of BUFFERS and HIDDEN in the scratch array.
        spare_at, spare_size: where the threads' own numbers begin in the scratch array, and how many each has:
            the sums of a tile and one row.
        n_products: phases of a layer that are products of matrices, 5, with DeepEmbed 6.
    """

    table: NDArray[np.int64]
    phases: NDArray[np.int64]
    places: NDArray[np.int64]
    spare_at: int
    spare_size: int
    n_layer: int
    n_embd: int
    n_head: int
    head_size: int
    n_products: int
    has_deep_embed: bool


def plan(config: ModelConfig) -> Plan:
    """Write down the work of a pass for a model of these sizes."""
    C = config.n_embd
    gaps = dict.fromkeys(BUFFERS, C)
    ranks = (config.decay_rank, config.iclr_rank, config.value_rank, config.gate_rank)
    deep = (config.deep_embed_rank,) * 2
    gaps |= dict(
        zip(
            HIDDEN,
            map(padded, (*ranks, config.dim_ffn, config.vocab_size, *deep, 0)),
            strict=True,
        )
    )
    sizes = gaps | {"carried": -(-config.n_layer * 2 * C // MAX_COLUMNS)}
    ends = np.cumsum([MAX_COLUMNS * size for size in sizes.values()])
    places = dict(zip(gaps, [0, *ends[:-1].tolist()], strict=True))
    shapes = _shapes(config)
    rows: list[tuple[int, ...]] = []
    phases: list[list[int]] = []
    at = scale_at = 0
    for layer in range(config.n_layer + 1):
        work = WORK if layer < config.n_layer else {"head": (0, "q", "logits", STORE, None)}
        last = -1
        for name, (phase, source, target, finish, bias) in work.items():
            if not has_matrix(config, layer, name):
                continue
            if phase != last:
                phases.append([len(rows), len(rows), 0])
                last = phase
            n_rows, n_inputs = shapes[name]
            if layer == 0 and target == "v":
                target = "first_v"
            bias_at = _bias_at(config, layer, bias)
            rows.append(
                (at, n_rows // ROWS, n_inputs, scale_at, places[source], gaps[source], places[target], gaps[target],
                 finish, bias_at, places["first_v"])
            )  # fmt: skip
            at, scale_at = at + n_rows * n_inputs, scale_at + n_rows
            phases[-1] = [phases[-1][0], len(rows), phases[-1][2] + n_rows // ROWS]
    return Plan(
        np.array(rows, np.int64),
        np.array(phases, np.int64),
        np.array(list(places.values()), np.int64),
        int(ends[-1]),
        SUMS + C,
        config.n_layer,
        config.n_embd,
        config.n_head,
        config.head_size,
        6 if config.deep_embed_rank else 5,
        config.deep_embed_rank > 0,
    )


def _bias_at(config: ModelConfig, layer: int, bias: str | None) -> int:
    """Where a bias lies in the vectors."""
    if bias is None:
        return 0
    if bias == "ffn.s0":  # after everything that has C numbers
        return (config.n_layer * len(VECTORS) + 2) * config.n_embd + layer * padded(config.dim_ffn)
    return (layer * len(VECTORS) + VECTORS.index(bias)) * config.n_embd


def _shapes(config: ModelConfig) -> dict[str, tuple[int, int]]:
    """Padded rows and inputs of the matrices."""
    C, F, R = config.n_embd, config.dim_ffn, config.deep_embed_rank
    ranks = {"w": config.decay_rank, "a": config.iclr_rank, "v": config.value_rank, "g": config.gate_rank}
    shapes = dict.fromkeys(MATRICES, (padded(C), C))
    shapes |= {f"att.{letter}1": (padded(rank), C) for letter, rank in ranks.items()}
    shapes |= {f"att.{letter}2": (padded(C), rank) for letter, rank in ranks.items()}
    shapes |= {"ffn.key.weight": (padded(F), C), "ffn.value.weight": (padded(C), F)}
    shapes |= {"ffn.s1": (padded(R), C), "ffn.s2": (padded(F), R)}
    return shapes | {"head": (padded(config.vocab_size), C)}
