"""The compiled loops of `fused_loops.py` as differentiable operators on CPU tensors.

They equal the plain form in `layers.py` up to rounding: float32 inside; what feeds a matrix product comes out in the
dtype of autocast. Channels of a head must be a multiple of 32.

Legend: B batch, T time, C width, H heads, N head size.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from pianomuse.model import fused_loops as loops

_ROWS_A_THREAD = 256  # fewer are not worth a thread
_PARAMETERS = 5  # w0, a0, v0, k_k, k_a


def token_mixes(q: Tensor, shift: Tensor | None, mixes: Tensor) -> tuple[Tensor, ...]:
    """Return q + (previous q - q) * mix for every mix: n tensors [B, T, C] ready for a matrix product.

    Args:
        q: float32 [B, T, C].
        shift: [B, C], the row before the first; zeros without it.
        mixes: float32 [n, C].
    """
    before = q.new_zeros(q.shape[0], q.shape[2]) if shift is None else shift.to(q.dtype)
    mixed = cast(Tensor, _TokenMixes.apply(q.contiguous(), before.contiguous(), mixes))  # type: ignore[no-untyped-call]
    return mixed.unbind(0)


def heads(
    products: tuple[Tensor | None, ...], parameters: tuple[Tensor | None, ...], n_head: int
) -> tuple[Tensor, ...]:
    """Return r, log_decay, k, v, a, b of the recurrence, float32 [B, T, H, N].

    Args:
        products: r, w, k, v, a, m, v_first [B, T, C], all of one dtype: w, a, m what the low-rank pairs give in front
            of their sigmoids; m and v_first are None in the first layer.
        parameters: w0, a0, v0, k_k, k_a float32 [C]; v0 is None in the first layer.
        n_head: H.
    """
    given = [None if product is None else product.contiguous() for product in products]
    results = cast(tuple[Tensor, ...], _Heads.apply(n_head, *given, *parameters))  # type: ignore[no-untyped-call]
    B, T, C = results[0].shape
    return tuple(result.view(B, T, n_head, C // n_head) for result in results)


def joined(y: Tensor, rkvg: tuple[Tensor, ...], r_k: Tensor, norm: torch.nn.GroupNorm) -> Tensor:
    """Return (group norm of y + bonus) * g, [B, T, C], ready for the output projection.

    Args:
        y: float32 [B, T, H, N].
        rkvg: r, k, v float32 [B, T, H, N], g [B, T, C].
        r_k: float32 [H, N].
        norm: weight, bias and eps of the group norm.
    """
    tensors = [tensor.contiguous() for tensor in (y, *rkvg)]
    result = _Joined.apply(*tensors, r_k, norm.weight, norm.bias, norm.eps)  # type: ignore[no-untyped-call]
    return cast(Tensor, result)


def squared_relu(x: Tensor) -> Tensor:
    """Return max(x, 0)² in the dtype of x."""
    return cast(Tensor, _SquaredReLU.apply(x.contiguous()))  # type: ignore[no-untyped-call]


def gated_squared_relu(x: Tensor, z: Tensor, s0: Tensor) -> Tensor:
    """Return max(x, 0)² * (z + s0) in the dtype of x and z [B, T, F]; s0 is float32 [F]."""
    return cast(Tensor, _GatedSquaredReLU.apply(x.contiguous(), z.contiguous(), s0))  # type: ignore[no-untyped-call]


class _TokenMixes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, shift: Tensor, mixes: Tensor) -> Tensor:
        B, T, C = q.shape
        out = torch.empty(len(mixes), B, T, C, dtype=_product_dtype())
        fixed = (T, C, _flat(q), _flat(shift), _flat(mixes), _flat(out), B * T)
        _share(B * T, lambda first, last: loops.mix_forward(first, last, *fixed))
        ctx.save_for_backward(q, shift, mixes)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        q, shift, mixes = ctx.saved_tensors
        B, T, C = q.shape
        dq, gradient = torch.empty_like(q), gradient.contiguous()
        fixed = (T, C, _flat(q), _flat(shift), _flat(mixes), _flat(gradient), B * T, _flat(dq))
        (dmixes,) = _share_sums(
            B * T, [mixes.shape], lambda first, last, sums: loops.mix_backward(first, last, *fixed, *sums)
        )
        dshift = None
        if ctx.needs_input_grad[1]:
            dshift = (gradient[:, :, 0].float() * mixes[:, None]).sum(0)
        return dq, dshift, dmixes


class _Heads(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, n_head: int, *inputs: Tensor | None) -> tuple[Tensor, ...]:
        r = cast(Tensor, inputs[0])
        outs = tuple(torch.empty(r.shape, dtype=torch.float32) for _ in range(6))
        arrays = _with_stand_ins(inputs)
        is_first = inputs[5] is None
        sizes, fixed = (n_head, r.shape[-1] // n_head), (*arrays, is_first, *map(_flat, outs))
        _share(r.shape[0] * r.shape[1], lambda first, last: loops.heads_forward(first, last, *sizes, *fixed))
        ctx.save_for_backward(*inputs)
        ctx.sizes = sizes
        return outs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        inputs: tuple[Tensor | None, ...] = ctx.saved_tensors
        r, is_first = cast(Tensor, inputs[0]), inputs[5] is None
        arrays = _with_stand_ins(inputs)
        into = [None if tensor is None else torch.empty_like(tensor) for tensor in inputs[:-_PARAMETERS]]
        dr_out, *others = (_flat(gradient.contiguous()) for gradient in gradients)
        targets = _with_stand_ins((*into, *inputs[-_PARAMETERS:]))[:-_PARAMETERS]
        fixed = (*arrays[1:], is_first, *others, dr_out, *targets)
        sums = _share_sums(
            r.shape[0] * r.shape[1],
            [torch.Size((r.shape[-1],))] * _PARAMETERS,
            lambda first, last, sums: loops.heads_backward(first, last, *ctx.sizes, *fixed, *sums),
        )
        dw0, da0, dv0, dk_k, dk_a = sums
        return (None, *into, dw0, da0, None if is_first else dv0, dk_k, dk_a)


class _Joined(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, r: Tensor, k: Tensor, v: Tensor, g: Tensor, *rest: Any) -> Tensor:
        r_k, weight, bias, eps = rest
        B, T, H, N = y.shape
        out = torch.empty(g.shape, dtype=_product_dtype())
        moments = torch.empty(B * T, H, 2)
        fixed = (*map(_flat, (y, r, k, v, g, r_k, weight, bias)), np.float32(eps), _flat(out), _flat(moments))
        _share(B * T, lambda first, last: loops.join_forward(first, last, H, N, *fixed))
        ctx.save_for_backward(y, r, k, v, g, r_k, weight, bias, moments)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        saved: tuple[Tensor, ...] = ctx.saved_tensors
        B, T, H, N = saved[0].shape
        into = tuple(torch.empty_like(tensor) for tensor in saved[:5])
        fixed = (*map(_flat, saved), _flat(gradient.contiguous()), *map(_flat, into))
        sums = _share_sums(
            B * T,
            [parameter.shape for parameter in saved[5:8]],  # r_k, weight, bias
            lambda first, last, sums: loops.join_backward(first, last, H, N, *fixed, *sums),
        )
        return (*into, *sums, None)


class _SquaredReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        out, width = torch.empty_like(x), x.shape[-1]
        fixed = (_flat(x), _flat(out))
        _share(x.numel() // width, lambda first, last: loops.relu2_forward(first * width, last * width, *fixed))
        ctx.save_for_backward(x)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        dx, width = torch.empty_like(x), x.shape[-1]
        fixed = (_flat(x), _flat(gradient.contiguous()), _flat(dx))
        _share(x.numel() // width, lambda first, last: loops.relu2_backward(first * width, last * width, *fixed))
        return dx


class _GatedSquaredReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, z: Tensor, s0: Tensor) -> Tensor:
        out, width = torch.empty_like(x), x.shape[-1]
        fixed = (width, _flat(x), _flat(z), _flat(s0), _flat(out))
        _share(x.numel() // width, lambda first, last: loops.gate_forward(first, last, *fixed))
        ctx.save_for_backward(x, z, s0)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, z, s0 = ctx.saved_tensors
        dx, dz, width = torch.empty_like(x), torch.empty_like(z), x.shape[-1]
        fixed = (width, *map(_flat, (x, z, s0, gradient.contiguous(), dx, dz)))
        (ds0,) = _share_sums(
            x.numel() // width, [s0.shape], lambda first, last, sums: loops.gate_backward(first, last, *fixed, *sums)
        )
        return dx, dz, ds0


def _product_dtype() -> torch.dtype:
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32


def _flat(tensor: Tensor) -> NDArray[Any]:
    """See a contiguous tensor's memory as a flat NumPy array; bfloat16 as its bits."""
    flat = tensor.detach().view(-1)
    return flat.view(torch.uint16).numpy() if flat.dtype == torch.bfloat16 else flat.numpy()


def _with_stand_ins(inputs: tuple[Tensor | None, ...]) -> list[NDArray[Any]]:
    """Flatten the inputs of `heads`; what the first layer lacks is an empty array of the right dtype."""
    product, parameter = cast(Tensor, inputs[0]), cast(Tensor, inputs[-1])
    n_products = len(inputs) - _PARAMETERS
    kinds = [product if index < n_products else parameter for index in range(len(inputs))]
    return [_flat(kind.new_empty(0) if x is None else x) for x, kind in zip(inputs, kinds, strict=True)]


def _share(n_rows: int, work: Callable[[int, int], None]) -> None:
    """Let threads take equal ranges of the rows (plain threads; the loops release Python's lock)."""
    n_threads = max(1, min(torch.get_num_threads(), n_rows // _ROWS_A_THREAD))
    edges = [n_rows * index // n_threads for index in range(n_threads + 1)]
    helpers = [threading.Thread(target=work, args=span) for span in itertools.pairwise(edges[1:])]
    for helper in helpers:
        helper.start()
    work(edges[0], edges[1])
    for helper in helpers:
        helper.join()


def _share_sums(
    n_rows: int, shapes: list[torch.Size], work: Callable[[int, int, tuple[NDArray[Any], ...]], None]
) -> tuple[Tensor, ...]:
    """Like `_share`, with buffers of zeros that each range adds to; return their sums over the ranges."""
    buffers: dict[int, tuple[Tensor, ...]] = {}

    def one(first: int, last: int) -> None:
        buffers[first] = tuple(torch.zeros(shape) for shape in shapes)
        work(first, last, tuple(_flat(buffer) for buffer in buffers[first]))

    _share(n_rows, one)
    parts = [buffers[first] for first in sorted(buffers)]  # always added in the same order
    return tuple(torch.stack(same).sum(0) for same in zip(*parts, strict=True))
