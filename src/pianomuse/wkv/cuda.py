"""The CUDA kernels of wkv7.cu as a differentiable PyTorch operator, for CUDA tensors of head size 64.

float32 inside; inputs in float32, bfloat16 or float16 are read as they are (mixed ones are converted to float32) and
gradients come back in the dtype of their input. `cuda_build` compiles the kernels on the first call. Legend: B batch,
T steps, H heads, N = 64 head size; state [B, H, N(value), N(key)].
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pianomuse.wkv import cuda_build

HEAD_SIZE = 64
STEPS = 16  # kSteps of wkv7_common.cuh: a state is kept every so many steps
WARPS_PER_PROCESSOR = 8  # with fewer, a multiprocessor of a card has nothing to do while a warp waits
_DTYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}


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
        ready = _ready(sequences)
        r = ready[0]
        B, T, H, N = r.shape
        y, final = torch.empty_like(r), r.new_empty(B, H, N, N, dtype=torch.float32)
        kept: list[Tensor | None] = [None, None]
        if any(ctx.needs_input_grad):
            kept = [
                r.new_empty(B, H, _chunks(T) + 1, N, N, dtype=torch.float32),
                torch.empty_like(r, dtype=torch.float32),
            ]
            ctx.save_for_backward(*sequences, *kept)
            ctx.state_dtype = None if state is None else state.dtype
            ctx.set_materialize_grads(False)
        start = None if state is None else _aligned(state.detach().float())
        _run("forward", rows_per_thread(B * H, _processors(r.device)), r, [*ready, start], [y, final, *kept])
        return y.to(sequences[0].dtype), final

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor | None, dfinal: Tensor | None) -> tuple[Tensor | None, ...]:
        *sequences, states, u = ctx.saved_tensors
        ready = _ready(sequences)
        r = ready[0]
        B, T, H, N = r.shape
        given = [
            torch.zeros_like(r) if dy is None else _aligned(dy.to(r.dtype)),
            states,
            u,
            None if dfinal is None else _aligned(dfinal.float()),
        ]
        gradients = [torch.empty_like(x) for x in ready]
        dstate = torch.empty_like(states[:, :, 0])
        work = [states.new_empty(B, H, _chunks(T), N, N), torch.empty_like(u)]
        values = values_per_block(B * H, _processors(r.device))
        _run("backward", values, r, [*ready, *given], [*gradients, dstate, *work])
        results = [gradient.to(x.dtype) for gradient, x in zip(gradients, sequences, strict=True)]
        return (*results, None if ctx.state_dtype is None else dstate.to(ctx.state_dtype))


def rows_per_thread(n_heads: int, n_processors: int) -> int:
    """Return 4, 2 or 1 rows of a state for each thread of the forward kernel.

    More rows read shared memory less often; fewer make more warps, 8 / rows of them for every head of the batch.
    """
    wanted = WARPS_PER_PROCESSOR * n_processors
    return next((rows for rows in (4, 2) if n_heads * 8 // rows >= wanted), 1)


def values_per_block(n_heads: int, n_processors: int) -> int:
    """Return 64 or 16 rows of a state for each block of the backward chain: all of a head, or a quarter."""
    return HEAD_SIZE if n_heads >= n_processors else HEAD_SIZE // 4


def _chunks(T: int) -> int:
    return -(-T // STEPS)


def _ready(sequences: Sequence[Tensor]) -> list[Tensor]:
    """Return r, log_decay, k, v, a, b as the kernels read them: log_decay float32, the others of one dtype."""
    dtypes = {x.dtype for at, x in enumerate(sequences) if at != 1}
    dtype = dtypes.pop() if len(dtypes) == 1 else torch.float32
    return [_aligned(x.detach().to(torch.float32 if at == 1 else dtype)) for at, x in enumerate(sequences)]


def _aligned(x: Tensor) -> Tensor:
    """Return x contiguous and at a multiple of 16 bytes, as the kernels' copies to shared memory need it."""
    x = x.contiguous()
    return x if x.data_ptr() % 16 == 0 else x.clone()


def _run(
    name: str, split: int, like: Tensor, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor | None]
) -> None:
    library = cuda_build.library(like.device)
    B, T, H, _ = like.shape
    with _stream(like.device) as stream:
        error = getattr(library, f"wkv7_{name}")(
            _DTYPES[like.dtype], split, B, T, H, _pointers(inputs), _pointers(outputs), stream
        )
    if error:
        raise RuntimeError(f"wkv7_{name} did not start: {library.wkv7_error(error).decode()}")


def _pointers(tensors: Sequence[Tensor | None]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * len(tensors))(*(None if x is None else x.data_ptr() for x in tensors))


@contextmanager
def _stream(device: torch.device) -> Iterator[int]:
    """Make the device current and give its current stream."""
    with torch.cuda.device(device):
        yield torch.cuda.current_stream(device).cuda_stream


def _processors(device: torch.device) -> int:
    return torch.cuda.get_device_properties(device).multi_processor_count
