"""The chunk form of WKV-7 in Triton kernels, on tensor cores: a differentiable PyTorch operator for CUDA tensors.

All chunks of 32 steps are worked on at once, but for two chains (the state forwards, its gradient backwards) that are
split over value rows as finely as it takes to fill the card. Inputs in float32, bfloat16 or float16; everything inside
is float32, in products of the precision below; gradients come back in the dtype of their input. Kept for backward, per
step and head: 4 N (N / 32 + 1) + 128 bytes. Legend: B batch, T steps, H heads, N head size, L chunk length; state
[B, H, N(value), N(key)].
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pianomuse.wkv import triton_kernels as kernels

HEAD_SIZES = (32, 64)
CHUNK_STEPS = 32
# what compiles for bfloat16 without spilling registers on sm_80, sm_89 and sm_90
_EACH = {"num_warps": 8, "num_stages": 1, "enable_fp_fusion": True}
_CHAIN = {"num_warps": 4, "num_stages": 2, "enable_fp_fusion": True}


class Precision(NamedTuple):
    """How the kernels multiply: EXACT for all that leads to U and Z, FAST for the rest (see `triton_kernels`)."""

    exact: str
    fast: str


# By the dtype of r, and so of y. TF32 keeps 11 bits of each factor, three TF32 products together 21; three products of
# bfloat16 keep 16 bits, six 24. float32's own ("ieee") run outside of tensor cores and overfill the registers.
PRECISIONS = {
    torch.bfloat16: Precision("tf32x3", "tf32"),
    torch.float16: Precision("tf32x3", "bf16x3"),
    torch.float32: Precision("bf16x6", "bf16x6"),
}
OLDER = Precision("tf32x3", "tf32x3")  # for a Triton that has no bf16x3 and bf16x6


def wkv7(
    r: Tensor, log_decay: Tensor, k: Tensor, v: Tensor, a: Tensor, b: Tensor, state: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return y [B, T, H, N] in the dtype of r and the state after the last step, float32 [B, H, N, N]."""
    y, final = cast("tuple[Tensor, Tensor]", _WKV7.apply(r, log_decay, k, v, a, b, state))  # type: ignore[no-untyped-call]
    return y, final


class _WKV7(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Tensor | None) -> tuple[Tensor, Tensor]:
        sequences, state = cast("tuple[Tensor, ...]", inputs[:6]), inputs[6]
        y, states, U, inverse = _forward([x.contiguous() for x in sequences], state)
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(*sequences, states, U, inverse)
            ctx.state_dtype = None if state is None else state.dtype
            ctx.set_materialize_grads(False)
        return y, states[:, :, -1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor | None, dfinal: Tensor | None) -> tuple[Tensor | None, ...]:
        *sequences, states, U, inverse = ctx.saved_tensors
        dy = torch.zeros_like(sequences[0]) if dy is None else dy
        *gradients, dstate = _backward([x.contiguous() for x in sequences], states, U, inverse, dy.contiguous(), dfinal)
        return (*gradients, None if ctx.state_dtype is None else dstate.to(ctx.state_dtype))


def _forward(sequences: Sequence[Tensor], state: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return y, the states at the start of every chunk and the last, U and the inverse."""
    r, log_decay, k, v, a, b = sequences
    B, T, H, N = r.shape
    n_chunks, rows, precision = -(-T // CHUNK_STEPS), _value_rows(B * H, r), _precision(r)
    W, U0, U, total = (_work(r, n_chunks, N) for _ in range(4))
    inverse = _work(r, n_chunks, CHUNK_STEPS)
    states = r.new_empty(B, H, n_chunks + 1, N, N, dtype=torch.float32)
    y = torch.empty_like(r)
    start = states if state is None else state.contiguous()  # not read without HAS_STATE
    each, chains = (B * H * n_chunks,), (B * H * (N // rows),)
    sizes = {"T": T, "n_chunks": n_chunks, "H": H, "N": N, "L": CHUNK_STEPS}
    exact, fast = {"EXACT": precision.exact}, {"FAST": precision.fast}
    with _on(r):
        kernels.forward_parts[each](log_decay, k, v, a, b, W, U0, total, inverse, **sizes, **exact, **_EACH)
        flags = {"V": rows, "HAS_STATE": state is not None, **exact}
        kernels.forward_chain[chains](k, v, b, W, U0, total, start, U, states, **sizes, **flags, **_CHAIN)
        kernels.output[each](r, k, v, b, U, total, states, y, **sizes, **fast, **_EACH)
    return y, states, U, inverse


def _backward(
    sequences: Sequence[Tensor], states: Tensor, U: Tensor, inverse: Tensor, dy: Tensor, dfinal: Tensor | None
) -> list[Tensor]:
    """Return the gradients of the six sequences and of the first state."""
    r, log_decay, k, v, a, b = sequences
    B, T, H, N = r.shape
    n_chunks, rows, precision = -(-T // CHUNK_STEPS), _value_rows(B * H, r), _precision(r)
    Z0, E, Z, total = (torch.empty_like(U) for _ in range(4))
    G = states.new_empty(B, H, n_chunks, N, N)
    dstate = torch.empty_like(states[:, :, 0])
    dr, dlog_decay, dk, dv, da, db = gradients = [torch.empty_like(x) for x in sequences]
    end = dstate if dfinal is None else dfinal.contiguous()  # not read without HAS_FINAL
    each, chains = (B * H * n_chunks,), (B * H * (N // rows),)
    sizes = {"T": T, "n_chunks": n_chunks, "H": H, "N": N, "L": CHUNK_STEPS}
    exact, fast = {"EXACT": precision.exact}, {"FAST": precision.fast}
    with _on(r):
        kernels.backward_parts[each](r, log_decay, b, dy, inverse, Z0, E, total, **sizes, **exact, **_EACH)
        flags = {"V": rows, "HAS_FINAL": dfinal is not None, **exact}
        kernels.backward_chain[chains](
            r, log_decay, a, dy, Z0, E, total, end, Z, G, dstate, **sizes, **flags, **_CHAIN
        )  # fmt: skip
        outputs = (dr, dlog_decay, dk, da, db)
        kernels.key_gradients[each](r, log_decay, k, v, a, b, dy, U, Z, states, G, *outputs, **sizes, **fast, **_EACH)
        kernels.value_gradients[each](r, log_decay, k, a, dy, Z, G, dv, **sizes, **fast, **_EACH)
    return [*gradients, dstate]


def _precision(like: Tensor) -> Precision:
    if like.device.type != "cuda":
        return Precision("ieee", "ieee")  # the interpreter computes in float32 whatever it is told
    options = import_module("triton.backends.nvidia.compiler").CUDAOptions
    wanted = PRECISIONS[like.dtype]
    return wanted if set(wanted) <= set(options.allowed_dot_input_precisions) else OLDER


def _value_rows(n_heads: int, like: Tensor) -> int:
    """Return how many rows of a state one program of a chain takes: 32 if that leaves two programs a multiprocessor."""
    wanted = 2 * _processors(like)
    return 32 if n_heads * (like.shape[-1] // 32) >= wanted else 16


def _work(like: Tensor, n_chunks: int, columns: int) -> Tensor:
    B, _, H, _ = like.shape
    return like.new_empty(B, H, n_chunks * CHUNK_STEPS, columns, dtype=torch.float32)


def _on(x: Tensor) -> AbstractContextManager[None]:
    """Make the tensor's device current; Triton's interpreter takes CPU tensors, for the tests."""
    return torch.cuda.device(x.device) if x.device.type == "cuda" else nullcontext()


def _processors(x: Tensor) -> int:
    return torch.cuda.get_device_properties(x.device).multi_processor_count if x.device.type == "cuda" else 1
