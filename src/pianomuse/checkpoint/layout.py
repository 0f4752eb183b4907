"""From the tensors of an official RWKV-7 file to exactly those of a model, and where layers go when a model grows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pianomuse.checkpoint.config import ModelConfig, tensor_shapes
from pianomuse.errors import CheckpointError, ConfigError

Weights = Mapping[str, NDArray[np.float32]]

_UNUSED = ("blocks.0.att.v0", "blocks.0.att.v1", "blocks.0.att.v2")  # the first layer has no earlier value
_OTHER_MODELS = (".qkv.", ".enn.", ".rosa.", ".time_state")  # tensors that change what is computed


def from_official(tensors: Weights) -> tuple[ModelConfig, dict[str, NDArray[np.float32]], list[str]]:
    """Return the sizes, exactly the tensors of the model, and the names of tensors that mean nothing here.

    Vectors may be stored as [C] or [1, 1, C]; the first layer may carry v0, v1, v2 that nothing reads.

    Raises:
        CheckpointError: no RWKV-7 model, a tensor missing or of another shape, or one of a model that computes more.
    """
    config = ModelConfig.from_tensors({name: value.shape for name, value in tensors.items()})
    wanted = tensor_shapes(config)
    extra = [name for name in tensors if name not in wanted and name not in _UNUSED]
    foreign = [name for name in extra if any(mark in name for mark in _OTHER_MODELS)]
    if foreign:
        raise CheckpointError(
            f"weights: {', '.join(foreign[:3])} belong to a model that computes more than RWKV-7 with DeepEmbed; "
            "use an x070 or x070a checkpoint"
        )
    wrong = [name for name, shape in wanted.items() if name not in tensors or not _is_same(tensors[name].shape, shape)]
    if wrong:
        raise CheckpointError(f"weights: {', '.join(wrong[:3])} are not as in RWKV-7; use an x070 or x070a checkpoint")
    return config, {name: tensors[name].reshape(shape) for name, shape in wanted.items()}, extra


def grown_places(n_old: int, n_new: int, where: str) -> list[int]:
    """Return where each layer goes when a model grows from `n_old` to `n_new` layers.

    Args:
        n_old: layers there are.
        n_new: layers there will be.
        where: `spread`, new layers between the old ones, evenly; or `end`, after them.

    Returns:
        The new number of each old layer. The first stays the first: its values go to all others.

    Raises:
        ConfigError: a model cannot lose layers.

    Example:
        >>> grown_places(4, 6, "spread")
        [0, 1, 3, 4]
    """
    if n_new < n_old:
        raise ConfigError(f"n_layer = {n_new}: the weights to start from have {n_old} layers; choose {n_old} or more")
    return [layer * n_new // n_old if where == "spread" else layer for layer in range(n_old)]


def moved(tensors: Weights, places: list[int]) -> dict[str, NDArray[np.float32]]:
    """Return the tensors with every layer's number replaced by its place."""
    return {_moved_name(name, places): value for name, value in tensors.items()}


def _moved_name(name: str, places: list[int]) -> str:
    head, *rest = name.split(".")
    return ".".join(("blocks", str(places[int(rest[0])]), *rest[1:])) if head == "blocks" else name


def _is_same(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return [n for n in shape if n != 1] == [n for n in wanted if n != 1]
