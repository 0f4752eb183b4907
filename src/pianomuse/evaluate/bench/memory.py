"""How much memory something takes: what autograd keeps, and how far a process grows."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from pianomuse.devices import peak_resident_bytes

Work = Callable[..., Callable[[], object]]


def kept_bytes(forward: Callable[[], object], inputs: Sequence[Tensor]) -> int:
    """Return how many bytes of tensors autograd keeps for the backward pass of `forward`, beyond the inputs."""
    own = {tensor.untyped_storage().data_ptr() for tensor in inputs}
    storages: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        result = forward()
        total = sum(storages.values())
    del result
    return total


def peak_growth_bytes(work: Work, *arguments: Any) -> int | None:
    """Return by how many bytes the peak of a fresh process grows over one run; None where this cannot be read.

    Args:
        work: a function of a module; `work(*arguments)` returns what is run once, and `work(*arguments,
            is_small=True)` the same on a small scale, to load what is loaded once.
        arguments: of `work`; they are sent to the other process.
    """
    if peak_resident_bytes() is None:
        return None
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_growth, (work, arguments))


def _growth(work: Work, arguments: Sequence[Any]) -> int:
    work(*arguments, is_small=True)()
    run = work(*arguments)
    before = peak_resident_bytes() or 0
    run()
    return (peak_resident_bytes() or 0) - before
