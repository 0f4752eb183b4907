"""The compiled kernel of `pianomuse.kernels.wkv` as a differentiable PyTorch operator, for CPU tensors.

Works in float32; half-precision inputs are converted, gradients come back in the dtype of their input. float32 tensors
are read where they lie. Legend: B batch, T steps, H heads, N head size; state [B, H, N(value), N(key)].
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from pianomuse.kernels import wkv as kernel
from pianomuse.kernels.vectors import LANES


def wkv7(
    r: Tensor, log_decay: Tensor, k: Tensor, v: Tensor, a: Tensor, b: Tensor, state: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return y [B, T, H, N] in the dtype of r and the state after the last step, float32 [B, H, N, N]."""
    N = r.shape[-1]
    missing = -N % LANES
    inputs = [r, log_decay, k, v, a, b]
    if missing:  # channels of zeros change nothing
        inputs = [torch.nn.functional.pad(tensor, (0, missing)) for tensor in inputs]
        state = None if state is None else torch.nn.functional.pad(state, (0, missing, 0, missing))
    y, final = cast("tuple[Tensor, Tensor]", _WKV7.apply(*inputs, state))  # type: ignore[no-untyped-call]
    return (y[..., :N], final[..., :N, :N]) if missing else (y, final)


class _WKV7(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Tensor | None) -> tuple[Tensor, Tensor]:
        sequences, state = cast("tuple[Tensor, ...]", inputs[:6]), inputs[6]
        keep = any(ctx.needs_input_grad)
        r, log_decay, k, v, a, b = map(_array, sequences)
        start = None if state is None else _array(state)
        y, final, kept = kernel.forward(r, log_decay, k, v, a, b, start, keep=keep, threads=torch.get_num_threads())
        if kept is not None:
            ctx.save_for_backward(*sequences, torch.from_numpy(kept.states), torch.from_numpy(kept.u))
            ctx.state_dtype = None if state is None else state.dtype
            ctx.set_materialize_grads(False)
        return torch.from_numpy(y).to(sequences[0].dtype), torch.from_numpy(final)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor | None, dfinal: Tensor | None) -> tuple[Tensor | None, ...]:
        *sequences, states, u = ctx.saved_tensors
        r, log_decay, k, v, a, b = map(_array, sequences)
        gradients = kernel.backward(
            r,
            log_decay,
            k,
            v,
            a,
            b,
            kernel.Kept(states.numpy(), u.numpy()),
            np.zeros(u.shape, np.float32) if dy is None else _array(dy),
            None if dfinal is None else _array(dfinal),
            threads=torch.get_num_threads(),
        )
        dtypes = [tensor.dtype for tensor in sequences]
        results: list[Tensor | None] = [
            torch.from_numpy(gradient).to(dtype) for gradient, dtype in zip(gradients[:6], dtypes, strict=True)
        ]
        dstate = None if ctx.state_dtype is None else torch.from_numpy(gradients[6]).to(ctx.state_dtype)
        return (*results, dstate)


def _array(tensor: Tensor) -> NDArray[np.float32]:
    """Return the tensor as a contiguous float32 array, without a copy where it is one."""
    return cast("NDArray[np.float32]", tensor.detach().to(torch.float32).contiguous().numpy())
