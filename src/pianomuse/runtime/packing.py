"""A checkpoint's tensors, laid out for the compiled pass: matrices in panels of 32 rows, vectors in one array.

Legend: L layers, C width, F width of the channel mix, N head size, V vocabulary, R rank of DeepEmbed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pianomuse.checkpoint.config import ModelConfig, tensor_shapes
from pianomuse.errors import CheckpointError

Floats = NDArray[np.float32]
Precision = Literal["float32", "int8"]

ROWS = 32  # rows of a panel; kernels/matvec.py has the same number
ALIGNMENT = 64

MATRICES = (
    "att.receptance.weight", "att.key.weight", "att.value.weight", "att.w1", "att.a1", "att.v1", "att.g1",
    "att.w2", "att.a2", "att.v2", "att.g2", "att.output.weight", "ffn.key.weight", "ffn.s1", "ffn.s2",
    "ffn.value.weight",
)  # fmt: skip
VECTORS = (
    "ln1.weight", "ln1.bias", "ln2.weight", "ln2.bias",
    "att.x_r", "att.x_k", "att.x_v", "att.x_w", "att.x_a", "att.x_g", "ffn.x_k",
    "att.w0", "att.a0", "att.v0", "att.k_k", "att.k_a", "att.r_k", "att.ln_x.weight", "att.ln_x.bias",
)  # fmt: skip


class Model(NamedTuple):
    """A model's numbers as the compiled pass reads them.

    Attributes:
        weights: float32 or int8, flat: the matrices of layer 0 in the order of MATRICES, of layer 1, ..., and the head;
            each padded to whole panels of 32 rows, `panel[input, row]`.
        scales: float32, flat, one factor per padded row of each matrix.
        vectors: float32, flat: VECTORS of layer 0, of layer 1, ..., then ln_out.weight and ln_out.bias; C each; then
            with DeepEmbed ffn.s0 of every layer, padded F each.
        embedding: float32 [V * C], ln0 applied.
        deep: float32 [L * V * R * R], every token's matrix of DeepEmbed in every layer, `panel[input, row]`; or empty.
    """

    weights: NDArray[np.float32] | NDArray[np.int8]
    scales: Floats
    vectors: Floats
    embedding: Floats
    deep: Floats


def pack(config: ModelConfig, tensors: Mapping[str, Floats], precision: Precision) -> Model:
    """Lay out a model for the compiled pass.

    Args:
        config: the model's sizes.
        tensors: float32 arrays under their official names; names that RWKV-7 does not use are ignored.
        precision: of the matrices; with int8, w is about round(w / scale) * scale, scale = max|row| / 127.

    Raises:
        CheckpointError: tensors are missing or have other shapes than the configuration says.
    """
    _check(config, tensors)
    matrices = [matrix for layer in range(config.n_layer) for matrix in _matrices(config, tensors, layer)]
    matrices.append(tensors["head.weight"])
    weights = _aligned(
        sum(padded(len(m)) * m.shape[1] for m in matrices), np.int8 if precision == "int8" else np.float32
    )
    scales = np.ones(sum(padded(len(m)) for m in matrices), np.float32)
    at = scale_at = 0
    for matrix in matrices:
        n_rows, n_inputs = padded(len(matrix)), matrix.shape[1]
        rows = np.zeros((n_rows, n_inputs), np.float32)
        rows[: len(matrix)] = matrix
        if precision == "int8":
            scale = scales[scale_at : scale_at + n_rows]
            scale[:] = np.abs(rows).max(axis=1, initial=0) / np.float32(127)
            scale[scale == 0] = 1
            rows = np.rint(rows / scale[:, None])
        panels = weights[at : at + rows.size].reshape(-1, n_inputs, ROWS)
        panels[:] = rows.reshape(-1, ROWS, n_inputs).transpose(0, 2, 1)
        at, scale_at = at + rows.size, scale_at + n_rows
    embedding = _embedding(tensors)
    deep = _deep(config, tensors, embedding)
    return Model(weights, scales, _vectors(config, tensors), embedding.astype(np.float32).reshape(-1), deep)


def padded(n: int) -> int:
    """Return n rounded up to whole panels."""
    return -(-n // ROWS) * ROWS


def has_matrix(config: ModelConfig, layer: int, name: str) -> bool:
    """Return whether a layer uses a matrix: layer 0 has no earlier value to blend with, DeepEmbed is an option."""
    if name in ("ffn.s1", "ffn.s2"):
        return config.deep_embed_rank > 0
    return layer > 0 or name not in ("att.v1", "att.v2")


def _matrices(config: ModelConfig, tensors: Mapping[str, Floats], layer: int) -> list[Floats]:
    """The matrices of a block as [rows, inputs]; the low-rank ones are stored the other way round."""
    names = [name for name in MATRICES if has_matrix(config, layer, name)]
    found = [tensors[f"blocks.{layer}.{name}"] for name in names]
    return [matrix if name.endswith(".weight") else matrix.T for name, matrix in zip(names, found, strict=True)]


def _vectors(config: ModelConfig, tensors: Mapping[str, Floats]) -> Floats:
    rows = np.zeros((config.n_layer * len(VECTORS) + 2, config.n_embd), np.float32)
    for layer in range(config.n_layer):
        for place, name in enumerate(VECTORS):
            if layer > 0 or name != "att.v0":
                rows[layer * len(VECTORS) + place] = tensors[f"blocks.{layer}.{name}"].reshape(-1)
    rows[-2], rows[-1] = tensors["ln_out.weight"], tensors["ln_out.bias"]
    gates = np.zeros((config.n_layer if config.deep_embed_rank else 0, padded(config.dim_ffn)), np.float32)
    for layer in range(len(gates)):
        gates[layer, : config.dim_ffn] = tensors[f"blocks.{layer}.ffn.s0"].reshape(-1)
    return np.concatenate((rows.reshape(-1), gates.reshape(-1)))


def _deep(config: ModelConfig, tensors: Mapping[str, Floats], embedding: NDArray[np.float64]) -> Floats:
    tables = []
    for layer in range(config.n_layer if config.deep_embed_rank else 0):
        part = embedding @ tensors[f"blocks.{layer}.ffn.s_emb_x.weight"].T.astype(np.float64)
        tables.append((tensors[f"blocks.{layer}.ffn.s_emb.weight"] + part).astype(np.float32).reshape(-1))
    return np.concatenate(tables) if tables else np.zeros(0, np.float32)


def _embedding(tensors: Mapping[str, Floats]) -> NDArray[np.float64]:
    x = tensors["emb.weight"].astype(np.float64)
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    normed: NDArray[np.float64] = x * tensors["blocks.0.ln0.weight"] + tensors["blocks.0.ln0.bias"]
    return normed


def _check(config: ModelConfig, tensors: Mapping[str, Floats]) -> None:
    if config.head_size % ROWS:
        raise CheckpointError(f"head size {config.head_size}: the CPU engine runs multiples of {ROWS}; RWKV-7 uses 64")
    if config.deep_embed_rank not in (0, ROWS):
        raise CheckpointError(f"deep_embed_rank {config.deep_embed_rank}: the CPU engine runs RWKV-8's rank of {ROWS}")
    wrong = []
    for name, shape in tensor_shapes(config).items():
        found = np.shape(tensors[name]) if name in tensors else None
        if found != shape:
            wrong.append(f"{name} is {found or 'missing'}, not {shape}")
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise CheckpointError(f"weights do not fit their configuration: {'; '.join(wrong[:3])}{more}")


def _aligned(size: int, dtype: type) -> NDArray[np.float32] | NDArray[np.int8]:
    """An array on a cache line boundary: a panel's row is then one or two whole lines."""
    width = np.dtype(dtype).itemsize
    raw = np.empty(size * width + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size * width].view(dtype)
