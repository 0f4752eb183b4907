"""Threads that share the items of one phase of work after another, inside compiled code.

A token of a small model takes under a millisecond and its work falls into some hundred phases, each of which needs the
one before it complete: too often to go back to Python, or to start a parallel loop each time. The threads run the same
compiled function. In every phase each takes items until none is left, and waits until all items are done. It does not
wait for threads: one that got no processor is not missed, unless it lost it in the middle of an item.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

LINE = 8  # int64 numbers of a cache line: what several threads write lies that far apart
LOOKS = 1000  # before the processor is given away: some 20 microseconds


def ledger(n_phases: int) -> NDArray[np.int64]:
    """Return what the threads need for one run of a compiled function: per phase the items taken, and those done."""
    return np.zeros((n_phases + 1) * 2 * LINE, np.int64)


def abandon(entries: NDArray[np.int64]) -> None:
    """Make all waiting end; what is computed in this run from now on is useless."""
    entries[0] = 1


@njit(nogil=True)
def take(entries, phase):  # type: ignore[no-untyped-def]
    """Return the next item of a phase; there is none left if it is not below the number of items."""
    return _add(entries, (phase + 1) * 2 * LINE, 1)


@njit(nogil=True)
def settle(entries, phase, n_done, n_items, yield_address):  # type: ignore[no-untyped-def]
    """Count the items this thread did in a phase, and wait until all are done.

    Args:
        entries: see `ledger`.
        phase: its number.
        n_done: items done by this thread.
        n_items: items of the phase.
        yield_address: address of a C function without arguments that gives the processor away, or 0.
    """
    place = (phase + 1) * 2 * LINE + LINE
    if n_done > 0:
        _add(entries, place, n_done)
    looks = 0
    while _look(entries, place) < n_items:
        looks += 1
        if looks > LOOKS:
            if _look(entries, 0) != 0:
                return
            _call(yield_address)


@intrinsic  # type: ignore[untyped-decorator]
def _add(typing_context: Any, array: Any, at: Any, amount: Any) -> Any:
    """Add to array[at] and return what was there; whoever sees the sum sees all that this thread wrote before."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=args[0]).data
        return builder.atomic_rmw("add", builder.gep(data, [args[1]]), args[2], "seq_cst")

    return types.int64(array, types.intp, types.int64), build


@intrinsic  # type: ignore[untyped-decorator]
def _look(typing_context: Any, array: Any, at: Any) -> Any:
    """Return array[at] as the other threads left it."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=args[0]).data
        if builder.module.triple.startswith("x86"):  # tells the core that this is a waiting loop
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        return builder.load_atomic(builder.gep(data, [args[1]]), "seq_cst", 8)

    return types.int64(array, types.intp), build


@intrinsic  # type: ignore[untyped-decorator]
def _call(typing_context: Any, address: Any) -> Any:
    """Call the C function without arguments at this address; do nothing for 0."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        with builder.if_then(cgutils.is_not_null(builder, args[0])):
            function = ir.FunctionType(ir.VoidType(), [])
            builder.call(builder.inttoptr(args[0], function.as_pointer()), [])
        return context.get_dummy_value()

    return types.void(types.intp), build
