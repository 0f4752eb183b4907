"""Threads that meet inside compiled code.

A token of a small model takes under a millisecond and its threads must meet some hundred times on the way: too often
to go back to Python, or to start a parallel loop each time. Threads that run the same compiled function count
themselves into a meeting and spin until all are there; after a while they give the processor away between looks, so
that a busy machine is only slow.
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
ARRIVED, ABANDONED, OWN = 0, LINE, 2 * LINE  # places in a control array
LOOKS = 1000  # before the processor is given away: some 20 microseconds


def control_array(n_threads: int) -> NDArray[np.int64]:
    """Return what the threads need to meet, for one run of a compiled function."""
    return np.zeros(OWN + n_threads * LINE, np.int64)


@njit(nogil=True)
def meet(control, rank, n_threads, yield_address):  # type: ignore[no-untyped-def]
    """Wait until all threads have come to this meeting, or the meetings are abandoned.

    Args:
        control: see `control_array`; control[ABANDONED] != 0 ends all waiting, what is computed then is useless.
        rank: of this thread, 0 .. n_threads - 1.
        n_threads: how many threads meet.
        yield_address: address of a C function without arguments that gives the processor away, or 0.
    """
    if n_threads == 1:
        return
    own = OWN + rank * LINE
    control[own] += n_threads
    everybody = control[own]
    _arrive(control, ARRIVED)
    looks = 0
    while _look(control, ARRIVED) < everybody:
        looks += 1
        if looks > LOOKS:
            if _look(control, ABANDONED) != 0:
                return
            _call(yield_address)


@intrinsic  # type: ignore[untyped-decorator]
def _arrive(typing_context: Any, control: Any, at: Any) -> Any:
    """Add 1 to control[at]; what this thread wrote before is then visible to whoever sees the sum."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=args[0]).data
        return builder.atomic_rmw("add", builder.gep(data, [args[1]]), ir.Constant(ir.IntType(64), 1), "seq_cst")

    return types.int64(control, types.intp), build


@intrinsic  # type: ignore[untyped-decorator]
def _look(typing_context: Any, control: Any, at: Any) -> Any:
    """Return control[at] as the other threads left it."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=args[0]).data
        if builder.module.triple.startswith("x86"):  # tells the core that this is a waiting loop
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        return builder.load_atomic(builder.gep(data, [args[1]]), "seq_cst", 8)

    return types.int64(control, types.intp), build


@intrinsic  # type: ignore[untyped-decorator]
def _call(typing_context: Any, address: Any) -> Any:
    """Call the C function without arguments at this address; do nothing for 0."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        with builder.if_then(cgutils.is_not_null(builder, args[0])):
            function = ir.FunctionType(ir.VoidType(), [])
            builder.call(builder.inttoptr(args[0], function.as_pointer()), [])
        return context.get_dummy_value()

    return types.void(types.intp), build
