"""Vectors of 32 float32 numbers as a numba type: the words the compiled kernels are written in.

numba compiles scalar loops and hopes that LLVM finds the vectors in them. For a kernel that keeps its sums in registers
across several loops it does not find them (aliasing arrays, short loops). This module names them instead: a value of
type `vector` is one LLVM vector of 32 floats, which LLVM cuts to what the machine has (two AVX-512 registers, four AVX
ones, eight NEON ones). Offsets count float32 elements of a flat array; nothing is checked.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

LANES = 32
TILE = 16  # `transpose` moves tiles of 16 x 16

_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_INTS = ir.VectorType(ir.IntType(32), LANES)
_FAST = ("contract", "nsz")


class VectorType(types.Type):  # type: ignore[misc]
    """The numba type of a vector of 32 float32 numbers."""

    def __init__(self) -> None:
        super().__init__(name="Float32x32")


vector = VectorType()


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _FLOATS)


@intrinsic  # type: ignore[untyped-decorator]
def load(typing_context: Any, array: Any, offset: Any) -> Any:
    """Return array[offset : offset + 32] as a vector."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_pointer(context, builder, signature.args[0], args, _FLOATS), align=4)

    return vector(array, types.intp), build


@intrinsic  # type: ignore[untyped-decorator]
def store(typing_context: Any, array: Any, offset: Any, value: Any) -> Any:
    """Write a vector to array[offset : offset + 32]."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(context, builder, signature.args[0], args, _FLOATS), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), build


@intrinsic  # type: ignore[untyped-decorator]
def spread(typing_context: Any, array: Any, offset: Any) -> Any:
    """Return a vector with array[offset] in every lane."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        scalar = builder.load(_pointer(context, builder, signature.args[0], args, ir.FloatType()), align=4)
        return _splat(builder, scalar, LANES)

    return vector(array, types.intp), build


@intrinsic  # type: ignore[untyped-decorator]
def fill(typing_context: Any, value: Any) -> Any:
    """Return a vector with the given number in every lane."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _splat(builder, args[0], LANES)

    return vector(types.float32), build


@intrinsic  # type: ignore[untyped-decorator]
def fma(typing_context: Any, x: Any, y: Any, z: Any) -> Any:
    """Return x * y + z, rounded once where the machine can."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _fma(builder, *args)

    return vector(vector, vector, vector), build


@intrinsic  # type: ignore[untyped-decorator]
def mul(typing_context: Any, x: Any, y: Any) -> Any:
    """Return x * y."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fmul(*args, flags=_FAST)

    return vector(vector, vector), build


@intrinsic  # type: ignore[untyped-decorator]
def add(typing_context: Any, x: Any, y: Any) -> Any:
    """Return x + y."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fadd(*args, flags=_FAST)

    return vector(vector, vector), build


@intrinsic  # type: ignore[untyped-decorator]
def sub(typing_context: Any, x: Any, y: Any) -> Any:
    """Return x - y."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fsub(*args, flags=_FAST)

    return vector(vector, vector), build


@intrinsic  # type: ignore[untyped-decorator]
def reciprocal(typing_context: Any, x: Any) -> Any:
    """Return 1 / x."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fdiv(_constant(1.0), args[0])

    return vector(vector), build


@intrinsic  # type: ignore[untyped-decorator]
def exp(typing_context: Any, x: Any) -> Any:
    """Return e**x for -87 <= x <= 88 (smaller x count as -87), relative error below 2e-7.

    x = n ln 2 + f with |f| <= ln 2 / 2; e**f by its Taylor series to the seventh power, 2**n in the exponent bits.
    """

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        low = _constant(-87.0)
        bounded = builder.select(builder.fcmp_ordered("<", args[0], low), low, args[0])
        magic = _constant(12582912.0)  # 1.5 * 2**23: adding it rounds to an integer
        whole = builder.fsub(builder.fadd(builder.fmul(bounded, _constant(1.4426950408889634)), magic), magic)
        rest = _fma(builder, whole, _constant(-0.693145751953125), bounded)
        rest = _fma(builder, whole, _constant(-1.42860682030941723212e-6), rest)
        series = _constant(1 / 5040)
        for factorial in (720, 120, 24, 6, 2, 1, 1):
            series = _fma(builder, series, rest, _constant(1 / factorial))
        exponent = builder.add(builder.fptosi(whole, _INTS), ir.Constant(_INTS, [127] * LANES))
        scale = builder.bitcast(builder.shl(exponent, ir.Constant(_INTS, [23] * LANES)), _FLOATS)
        return builder.fmul(series, scale)

    return vector(vector), build


@intrinsic  # type: ignore[untyped-decorator]
def transpose(
    typing_context: Any, source: Any, start: Any, stride: Any, target: Any, target_start: Any, target_stride: Any
) -> Any:
    """Write the 16 x 16 tile of `source` at `start` (rows `stride` apart), transposed, to `target`."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile = ir.VectorType(ir.FloatType(), TILE)
        read, write = (
            _pointer(context, builder, signature.args[at], args[at : at + 2], ir.FloatType()) for at in (0, 3)
        )
        rows = [builder.load(_row(builder, read, args[2], row, tile), align=4) for row in range(TILE)]
        for bit in (1, 2, 4, 8):
            rows = _exchange(builder, rows, bit)
        for index, row in enumerate(rows):
            builder.store(row, _row(builder, write, args[5], index, tile), align=4)
        return context.get_dummy_value()

    where = (types.intp, types.intp)
    return types.void(source, *where, target, *where), build


@intrinsic  # type: ignore[untyped-decorator]
def stream(typing_context: Any, array: Any, offset: Any, value: Any) -> Any:
    """Write a vector to array[offset : offset + 32], past the caches; the place must start a cache line."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        write = builder.store(args[2], _pointer(context, builder, signature.args[0], args, _FLOATS), align=64)
        one = ir.Constant(ir.IntType(32), 1)
        write.set_metadata("nontemporal", builder.module.add_metadata([one]))
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), build


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(typing_context: Any, array: Any, offset: Any) -> Any:
    """Ask for array[offset : offset + 32] to be in the second cache soon; any offset is allowed."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _pointer(context, builder, signature.args[0], args, ir.IntType(8))
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        for line in (0, 64):
            where = builder.gep(place, [ir.Constant(ir.IntType(64), line)])
            builder.call(function, [where, *(ir.Constant(number, value) for value in (0, 2, 1))])
        return context.get_dummy_value()

    return types.void(array, types.intp), build


@intrinsic  # type: ignore[untyped-decorator]
def has_many_registers(typing_context: Any) -> Any:
    """Tell whether the machine has 32 vector registers; a constant, so the branch not taken vanishes."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        triple, _, features = context.codegen().magic_tuple()
        has_them = "+avx512f" in features or triple.startswith(("aarch64", "arm64"))
        return context.get_constant(types.boolean, has_them)

    return types.boolean(), build


def _exchange(builder: Any, rows: list[Any], bit: int) -> list[Any]:
    """One step of a transposition: swap that bit of the row number with that bit of the lane number."""
    lanes = range(TILE)
    lower = [lane if not lane & bit else TILE + lane - bit for lane in lanes]
    upper = [lane + bit if not lane & bit else TILE + lane for lane in lanes]
    masks = [ir.Constant(ir.VectorType(ir.IntType(32), TILE), mask) for mask in (lower, upper)]
    return [builder.shuffle_vector(rows[row & ~bit], rows[row | bit], masks[1 if row & bit else 0]) for row in lanes]


def _row(builder: Any, base: Any, stride: Any, row: int, kind: Any) -> Any:
    step = builder.mul(stride, ir.Constant(stride.type, row))
    return builder.bitcast(builder.gep(base, [step]), kind.as_pointer())


def _pointer(context: Any, builder: Any, array_type: Any, args: Any, kind: Any) -> Any:
    data = cgutils.create_struct_proxy(array_type)(context, builder, value=args[0]).data
    return builder.bitcast(builder.gep(data, [args[1]]), kind.as_pointer())


def _fma(builder: Any, x: Any, y: Any, z: Any) -> Any:
    kind = ir.FunctionType(_FLOATS, [_FLOATS] * 3)
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f32"), [x, y, z])


def _splat(builder: Any, scalar: Any, lanes: int) -> Any:
    kind = ir.VectorType(ir.FloatType(), lanes)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), zeros)


def _constant(value: float) -> Any:
    return ir.Constant(_FLOATS, [value] * LANES)
