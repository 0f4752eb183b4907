"""Products of a matrix with one or several vectors, compiled: what a recurrent network does most of its time.

A matrix [rows, inputs] is stored in panels of 32 rows, `panel[input, row]`, so that a vector register holds the same
input's weights of many rows: sums run along the inputs, nothing is added across a register, and every weight is read
once, in order. Weights are float32, or int8 with one float32 scale per row, widened on the way in; inputs and sums
are float32.

Several input vectors ("columns") share one pass over the weights. Every column's sum is the same chain of operations,
however many columns are computed together and whichever thread computes them: a result never depends on its company.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from pianomuse.kernels.vectors import LANES, add, exp, fill, fma, load, mul, reciprocal, store, sub, vector

ROWS = LANES  # rows of a panel
SUMS = 8 * ROWS  # numbers a tile writes at most
STORE, ADD, SQUARED_RELU, TANH, SIGMOID, RATE, DECAY, BLEND, GATE = range(9)  # what becomes of a sum, see `_finish`
DECAY_BOUND = -0.6065306597126334  # -exp(-1/2), the log of RWKV-7's shortest memory

_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_SIZE = ir.IntType(64)


@njit(nogil=True)
def product(weights, scales, vectors, row, scratch, sums, n, first, end, widest):  # type: ignore[no-untyped-def]
    """Multiply the panels first..end-1 of a matrix with n columns and finish the sums.

    Args:
        weights: float32 or int8, flat; scales: float32, one per row; vectors: float32, biases; all flat.
        row: int64 [11], the matrix's entry in the table of pianomuse.runtime.plan.
        scratch: float32, flat, holds the columns and takes the results.
        sums: offset of this thread's SUMS numbers in scratch.
        n: number of columns.
        first, end: which panels.
        widest: columns that fit into the registers at once: 1, 2, 4 or 8.
    """
    start, n_inputs, source, gap = row[0], row[2], row[4], row[5]
    panel = first
    while panel < end:
        at = start + panel * ROWS * n_inputs
        column = 0
        while column < n:
            left = min(n - column, widest)
            x = source + column * gap
            if left >= 8:
                count = 8
                tile(8, weights, at, n_inputs, scratch, x, gap, sums)
            elif left >= 4:
                count = 4
                tile(4, weights, at, n_inputs, scratch, x, gap, sums)
            elif left >= 2:
                count = 2
                tile(2, weights, at, n_inputs, scratch, x, gap, sums)
            else:
                count = 1
                tile(1, weights, at, n_inputs, scratch, x, gap, sums)
            for index in range(count):
                _finish(scales, vectors, row, scratch, sums + index * ROWS, panel, column + index)
            column += count
        panel += 1


@njit(nogil=True)
def _finish(scales, vectors, row, scratch, sums, panel, column):  # type: ignore[no-untyped-def]
    """Scale a panel's sums for one column and write what becomes of them."""
    gap, kind = row[7], row[8]
    at = row[6] + column * gap + panel * ROWS
    value = mul(load(scratch, sums), load(scales, row[3] + panel * ROWS))
    if kind >= RATE:
        value = add(value, load(vectors, row[9] + panel * ROWS))
    if kind == ADD:
        value = add(value, load(scratch, at))
    elif kind == SQUARED_RELU:
        value = clamp(value, np.float32(0), np.float32(np.inf))
        value = mul(value, value)
    elif kind == GATE:
        value = mul(value, load(scratch, at))
    elif kind >= TANH:
        scale = np.float32(-2) if kind == TANH else np.float32(1)
        value = _sigmoid(mul(value, fill(scale)))
        if kind == TANH:
            value = fma(value, fill(scale), fill(np.float32(1)))  # tanh x = 1 - 2 / (1 + exp 2x)
        elif kind == DECAY:
            value = exp(mul(value, fill(np.float32(DECAY_BOUND))))
        elif kind == BLEND:
            here = load(scratch, at)
            value = fma(sub(load(scratch, row[10] + column * gap + panel * ROWS), here), value, here)
    store(scratch, at, value)


@njit(nogil=True)
def _sigmoid(x):  # type: ignore[no-untyped-def]
    bounded = clamp(x, np.float32(-80), np.float32(80))
    return reciprocal(add(exp(mul(bounded, fill(np.float32(-1)))), fill(np.float32(1))))


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def tile(
    typing_context: Any, columns: Any, weights: Any, at: Any, n_inputs: Any, x: Any, x_at: Any, gap: Any, target: Any
) -> Any:
    """Multiply the panel at weights[at] with `columns` columns (literal); write each column's 32 sums to x[target:].

    Column c is x[x_at + c * gap :] of `n_inputs` numbers.
    """
    n_columns = columns.literal_value

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        weights_kind, x_kind = signature.args[1], signature.args[4]
        weight_data = _data(context, builder, weights_kind, args[1], args[2])
        x_data = _data(context, builder, x_kind, args[4], args[5])
        sums = [cgutils.alloca_once_value(builder, _constant(0.0)) for _ in range(n_columns)]
        with cgutils.for_range(builder, args[3]) as loop:
            where = builder.gep(weight_data, [builder.mul(loop.index, _size(ROWS))])
            row = _widened(builder, where, weights_kind.dtype.bitwidth)
            for column, place in enumerate(sums):
                where = builder.add(loop.index, builder.mul(args[6], _size(column)))
                number = _splat(builder, builder.load(builder.gep(x_data, [where]), align=4))
                builder.store(_fma(builder, row, number, builder.load(place)), place)
        for column, place in enumerate(sums):
            where = _data(context, builder, x_kind, args[4], builder.add(args[7], _size(column * ROWS)))
            builder.store(builder.load(place), builder.bitcast(where, _FLOATS.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(columns, weights, types.intp, types.intp, x, types.intp, types.intp, types.intp), build


@intrinsic  # type: ignore[untyped-decorator]
def clamp(typing_context: Any, x: Any, low: Any, high: Any) -> Any:
    """Return x, not below `low` and not above `high`."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = args[0]
        for sign, bound in (("<", args[1]), (">", args[2])):
            limit = _splat(builder, bound)
            value = builder.select(builder.fcmp_ordered(sign, value, limit), limit, value)
        return value

    return vector(vector, types.float32, types.float32), build


@intrinsic  # type: ignore[untyped-decorator]
def total(typing_context: Any, x: Any) -> Any:
    """Return the sum of a vector's 32 numbers, added pairwise."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.FloatType(), [ir.FloatType(), _FLOATS])
        reduce = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.fadd.v{LANES}f32")
        return builder.call(reduce, [ir.Constant(ir.FloatType(), -0.0), args[0]], fastmath=("reassoc",))

    return types.float32(vector), build


def _widened(builder: Any, pointer: Any, bits: int) -> Any:
    """Load 32 weights, int8 or float32, as float32."""
    if bits == 32:
        return builder.load(builder.bitcast(pointer, _FLOATS.as_pointer()), align=4)
    narrow = ir.VectorType(ir.IntType(8), LANES)
    value = builder.load(builder.bitcast(pointer, narrow.as_pointer()), align=1)
    return builder.sitofp(builder.sext(value, ir.VectorType(ir.IntType(32), LANES)), _FLOATS)


def _data(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    return builder.gep(cgutils.create_struct_proxy(kind)(context, builder, value=array).data, [at])


def _fma(builder: Any, x: Any, y: Any, z: Any) -> Any:
    kind = ir.FunctionType(_FLOATS, [_FLOATS] * 3)
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f32"), [x, y, z])


def _splat(builder: Any, scalar: Any) -> Any:
    first = builder.insert_element(ir.Constant(_FLOATS, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, ir.Constant(_FLOATS, ir.Undefined), zeros)


def _constant(value: float) -> Any:
    return ir.Constant(_FLOATS, [value] * LANES)


def _size(value: int) -> Any:
    return ir.Constant(_SIZE, value)
