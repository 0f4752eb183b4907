"""Weights in 8 bits: each row of a matrix as int8 with one float32 scale.

A row's largest magnitude becomes 127, so a weight is off by at most scale / 2. Only the large matrices (the eight
kinds that are multiplied as `x @ W.T`) are stored so; mixes, norms and the low-rank pairs, which set decays and
learning rates, stay float32. For 12 layers of 384 that is 10.5 bits a weight over the whole model.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pianomuse.errors import CheckpointError

SCALE = ".scale"
Tensors = Mapping[str, NDArray[np.generic]]


def quantise(tensors: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.generic]]:
    """Return the tensors with every large matrix as int8 `name` [rows, columns] and float32 `name.scale` [rows]."""
    out: dict[str, NDArray[np.generic]] = {}
    for name, value in tensors.items():
        if name.endswith(".weight") and value.ndim == 2:
            out[name], out[name + SCALE] = quantise_rows(value)
        else:
            out[name] = value
    return out


def quantise_rows(matrix: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return int8 [rows, columns] and float32 scales [rows]; a row of zeros gets the scale 0."""
    scale = (np.abs(matrix).max(axis=1) / 127).astype(np.float32)
    divisor = np.where(scale > 0, scale, np.float32(1))
    return np.rint(matrix / divisor[:, None]).astype(np.int8), scale


def dequantise(tensors: Tensors) -> dict[str, NDArray[np.float32]]:
    """Return all tensors as float32, int8 matrices multiplied by their scales.

    Raises:
        CheckpointError: a tensor is of another dtype, or an int8 matrix and its scales do not belong together.
    """
    out: dict[str, NDArray[np.float32]] = {}
    for name, value in tensors.items():
        if name.endswith(SCALE):
            if name.removesuffix(SCALE) not in tensors:
                raise CheckpointError(f"weights: {name} belongs to no matrix; use an intact checkpoint")
        elif value.dtype == np.int8:
            scale = tensors.get(name + SCALE)
            if scale is None or value.ndim != 2 or scale.dtype != np.float32 or scale.shape != value.shape[:1]:
                raise CheckpointError(f"weights: {name} is int8 without fitting scales; use an intact checkpoint")
            out[name] = value.astype(np.float32) * scale.astype(np.float32)[:, None]
        elif value.dtype == np.float32:
            out[name] = value.astype(np.float32, copy=False)
        else:
            raise CheckpointError(f"weights: {name} is {value.dtype}, not float32 or int8; use an intact checkpoint")
    return out


def is_quantised(tensors: Tensors) -> bool:
    """Say whether any matrix is int8."""
    return any(value.dtype == np.int8 for value in tensors.values())
