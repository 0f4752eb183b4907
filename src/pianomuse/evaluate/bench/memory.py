"""How much memory something takes: what autograd keeps, what is alive at the peak, and how far a process grows."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

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


class HighestUse(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the most bytes in use while it is active: read after every PyTorch operation, tensors and arrays alike.

    Bytes in use are those that `malloc` has given out: not what the process holds, and not what it once held. What an
    operation frees before it ends is not seen.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.highest = 0

    def __torch_dispatch__(self, function: Any, kinds: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation, then look."""
        result = function(*args, **(kwargs or {}))
        self.highest = max(self.highest, allocated_bytes() or 0)
        return result


def live_peak_bytes(work: Callable[[], object]) -> int | None:
    """Return by how many bytes the tensors and arrays alive grow at the highest point of `work`.

    Run `work` once before, so that what is made once is there. None where the C library does not tell (not glibc).
    """
    with HighestUse():
        torch.zeros(1).add_(1)  # the first time, PyTorch loads what it needs for this
    gc.collect()
    before = allocated_bytes()
    if before is None:
        return None
    with HighestUse() as use:
        work()
    return int(use.highest) - before


class _MallInfo(ctypes.Structure):
    """The answer of glibc's `mallinfo2`."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


@lru_cache
def _mallinfo() -> Callable[[], _MallInfo] | None:
    try:
        function = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError, TypeError):
        return None
    function.restype = _MallInfo
    return cast("Callable[[], _MallInfo]", function)


def allocated_bytes() -> int | None:
    """Return how many bytes `malloc` has given out and not got back; None where the C library does not tell."""
    ask = _mallinfo()
    if ask is None:
        return None
    info = ask()
    return int(info.uordblks) + int(info.hblkhd)
