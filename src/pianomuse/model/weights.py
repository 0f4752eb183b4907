"""Weights into and out of the model, as NumPy arrays under the official names."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from pianomuse.errors import CheckpointError
from pianomuse.model.adapters import is_plain, plain_tensors
from pianomuse.model.rwkv import PianoMuseRWKV


def weights_of(model: PianoMuseRWKV) -> dict[str, NDArray[np.float32]]:
    """Return a float32 copy of every official tensor, adapters merged in."""
    return {name: tensor.detach().float().cpu().numpy().copy() for name, tensor in plain_tensors(model)}


def load_weights(model: PianoMuseRWKV, tensors: Mapping[str, NDArray[np.float32]]) -> None:
    """Put the arrays into the model; names and shapes must be exactly the model's.

    Raises:
        CheckpointError: a tensor is missing, unknown, or of another shape.
    """
    own = {name: parameter for name, parameter in model.named_parameters() if is_plain(name)}
    wrong = sorted(own.keys() ^ tensors.keys())
    wrong += [name for name in own if name in tensors and tensors[name].shape != tuple(own[name].shape)]
    if wrong:
        raise CheckpointError(f"weights: {', '.join(wrong[:5])} do not fit this model; use one of the same size")
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(tensors[name], dtype=np.float32)))
