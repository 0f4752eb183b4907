"""What the fused loops need beside `pianomuse.kernels.vectors`: rows in float32 or bfloat16, sums, sigmoid.

bfloat16 is the upper half of a float32; NumPy holds its bits as uint16. The choice between the two is made when a loop
is compiled, from the dtype of the array.
"""
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from pianomuse.kernels.vectors import LANES, add, exp, fill, reciprocal, vector

_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_WORDS = ir.VectorType(ir.IntType(32), LANES)
_HALVES = ir.VectorType(ir.IntType(16), LANES)


@intrinsic
def read(typing_context: Any, array: Any, offset: Any) -> Any:
    """Return array[offset : offset + 32] as a vector; the array is float32 or bfloat16."""
    is_half = array.dtype == types.uint16

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if not is_half:
            return builder.load(_pointer(context, builder, signature.args[0], args, _FLOATS), align=4)
        halves = builder.load(_pointer(context, builder, signature.args[0], args, _HALVES), align=2)
        words = builder.shl(builder.zext(halves, _WORDS), _words(16))
        return builder.bitcast(words, _FLOATS)

    return vector(array, types.intp), build


@intrinsic
def write(typing_context: Any, array: Any, offset: Any, value: Any) -> Any:
    """Write a vector to array[offset : offset + 32]; bfloat16 is rounded to the nearest, ties to even."""
    is_half = array.dtype == types.uint16

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if not is_half:
            builder.store(args[2], _pointer(context, builder, signature.args[0], args, _FLOATS), align=4)
            return context.get_dummy_value()
        words = builder.bitcast(args[2], _WORDS)
        odd = builder.and_(builder.lshr(words, _words(16)), _words(1))
        rounded = builder.add(builder.add(words, _words(0x7FFF)), odd)
        halves = builder.trunc(builder.lshr(rounded, _words(16)), _HALVES)
        builder.store(halves, _pointer(context, builder, signature.args[0], args, _HALVES), align=2)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), build


@intrinsic
def at_most(typing_context: Any, x: Any, limit: Any) -> Any:
    """Return the smaller of x and limit in every lane."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", args[0], args[1]), args[0], args[1])

    return vector(vector, vector), build


@intrinsic
def total(typing_context: Any, x: Any) -> Any:
    """Return the sum of the lanes as a number."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.FloatType(), [ir.FloatType(), _FLOATS])
        name = f"llvm.vector.reduce.fadd.v{LANES}f32"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(function, [ir.Constant(ir.FloatType(), 0.0), args[0]], fastmath=("reassoc",))

    return types.float32(vector), build


@njit(inline="always")
def decline(x):
    """Return e = exp(-x), from which sigmoid(x) = 1 / (1 + e) and 1 - sigmoid(x) = e / (1 + e), both accurate."""
    return exp(at_most(_negative(x), fill(80.0)))


@njit(inline="always")
def sigmoid_of(e):
    """Return sigmoid(x) from `decline(x)`."""
    return reciprocal(add(fill(1.0), e))


@intrinsic
def _negative(typing_context: Any, x: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fneg(args[0])

    return vector(vector), build


def _words(value: int) -> Any:
    return ir.Constant(_WORDS, [value] * LANES)


def _pointer(context: Any, builder: Any, array_type: Any, args: Any, kind: Any) -> Any:
    data = cgutils.create_struct_proxy(array_type)(context, builder, value=args[0]).data
    return builder.bitcast(builder.gep(data, [args[1]]), kind.as_pointer())
