"""The WKV-7 operator: one function, several ways to compute it.

    S_t = S_{t-1} diag(w_t) + (S_{t-1} a_t) b_t^T + v_t k_t^T,   y_t = S_t r_t,   w_t = exp(log_decay_t)

This module checks the arguments and chooses a backend; it computes nothing. Legend: B batch, T steps, H heads, N head
size; the state S is [B, H, N(value), N(key)].

    reference   the definition, a loop over the steps; any dtype and device
    chunked     matrix products over chunks of steps, any device, float32
    cpu         compiled loops (numba), CPU tensors, float32
    cuda        CUDA kernels, compiled on request, CUDA tensors, float32
    triton      Triton kernels, CUDA tensors, tensor cores
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec

import torch
from torch import Tensor

from pianomuse.errors import ConfigError
from pianomuse.wkv import cuda_build, gpu

__all__ = ["BACKENDS", "available_backends", "backend_for", "choose_backend", "wkv7"]

BACKENDS = ("reference", "chunked", "cpu", "cuda", "triton")
LOWEST_LOG_DECAY = -1.0  # the chunk form divides by the decay of 32 steps: e**32 is far inside float32

Operator = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]
_logger = logging.getLogger(__name__)


def wkv7(
    r: Tensor,
    log_decay: Tensor,
    k: Tensor,
    v: Tensor,
    a: Tensor,
    b: Tensor,
    state: Tensor | None = None,
    *,
    backend: str | None = None,
) -> tuple[Tensor, Tensor]:
    """Run RWKV-7's recurrence over all steps; differentiable in every tensor and through the final state.

    Args:
        r: [B, T, H, N] in float32, bfloat16 or float16 (`reference` also takes float64), like `k`, `v`, `a`, `b`.
        log_decay: [B, T, H, N], the logarithm of the decay. RWKV-7 keeps it in [-0.6065307, 0]; `reference` takes
            any number <= 0, the others rely on [-1, 0] (checked where autograd's anomaly detection is on).
        state: [B, H, N(value), N(key)] before the first step; zeros without it.
        backend: a name out of `BACKENDS`; the fastest that runs here without it. A named backend never falls back.

    Returns:
        y [B, T, H, N] in the dtype of r, and the state after the last step [B, H, N, N] in float32.

    Raises:
        ConfigError: shapes, dtypes or devices do not fit together, or the named backend cannot run here.

    Example:
        >>> import torch
        >>> r, k, v, a, b = torch.randn(5, 1, 8, 2, 64)
        >>> y, state = wkv7(r, -0.5 * torch.rand(1, 8, 2, 64), k, v, a, b)
        >>> tuple(y.shape), tuple(state.shape)
        ((1, 8, 2, 64), (1, 2, 64, 64))
    """
    _check(r=r, log_decay=log_decay, k=k, v=v, a=a, b=b)
    _check_state(r, state)
    name = backend or choose_backend(r)
    _require(name, r.device.type, r.dtype, r.shape[-1])
    if torch.is_anomaly_enabled() and name != "reference":
        _check_decay(log_decay)
    return _operator(name)(r, log_decay, k, v, a, b, state)


def available_backends(device: str | torch.device = "cpu", head_size: int = 64) -> dict[str, str | None]:
    """Return for every backend None where it can run on the device, else the reason why not."""
    device_type = torch.device(device).type
    return {name: _why_not(name, device_type, torch.float32, head_size) for name in BACKENDS}


def backend_for(device: str | torch.device = "cpu", head_size: int = 64, *, backend: str | None = None) -> str:
    """Return the name of the backend that computes float32 sequences on the device: the named one, or the fastest.

    Raises:
        ConfigError: the named backend cannot run there.
    """
    device_type = torch.device(device).type
    if backend is None:
        return _choice(device_type, False, head_size)
    _require(backend, device_type, torch.float32, head_size)
    return backend


def choose_backend(r: Tensor) -> str:
    """Return the name of the backend that is fastest for tensors like r."""
    if r.dtype == torch.float64:
        return "reference"
    return _choice(r.device.type, r.shape[1] <= 1, r.shape[-1])


@lru_cache
def _choice(device_type: str, is_single_step: bool, head_size: int) -> str:
    if is_single_step and device_type != "cpu":
        return "reference"
    here = device_type, torch.float32, head_size
    if _why_not("cpu", *here) is None:
        name, why = "cpu", "compiled kernel"
    elif _why_not("triton", *here) is None:
        name, why = "triton", "chunks on tensor cores"
    elif _why_not("cuda", *here) is None and cuda_build.is_built():
        name, why = "cuda", "compiled kernels; triton does not run here"
    else:
        name, why = "chunked", "matrix products: no faster backend runs on this device"
    _logger.info("wkv7 on %s: backend %s (%s); choose another with backend= or --set wkv=", device_type, name, why)
    return name


def _require(name: str, device_type: str, dtype: torch.dtype, head_size: int) -> None:
    reason = _why_not(name, device_type, dtype, head_size)
    if reason:
        raise ConfigError(f"wkv backend {name!r} cannot run here: {reason}")


def _why_not(name: str, device_type: str, dtype: torch.dtype, head_size: int) -> str | None:
    if name not in BACKENDS:
        return f"there is none of that name; choose one of {', '.join(BACKENDS)}"
    if name == "reference":
        return None
    if dtype == torch.float64:
        return "it computes in float32 and the tensors are float64; use backend='reference'"
    if name == "cpu" and device_type != "cpu":
        return f"the tensors are on {device_type!r}; use backend='chunked'"
    if name == "cpu" and not _has_numba():
        return "numba is not installed; pip install numba, or use backend='chunked'"
    return gpu.why_not(name, device_type, head_size) if name in gpu.HEAD_SIZES else None


@lru_cache
def _has_numba() -> bool:
    return find_spec("numba") is not None


@lru_cache
def _operator(name: str) -> Operator:
    operator: Operator = import_module(f"pianomuse.wkv.{name}").wkv7
    return operator


def _check(**tensors: Tensor) -> None:
    r = tensors["r"]
    if r.dim() != 4 or 0 in r.shape:
        raise ConfigError(f"wkv7 takes tensors [B, T, H, N] with at least one step, got r of shape {tuple(r.shape)}")
    for name, tensor in tensors.items():
        if tensor.shape != r.shape:
            raise ConfigError(f"wkv7: {name} has shape {tuple(tensor.shape)}, r has {tuple(r.shape)}; they must agree")
        if tensor.device != r.device:
            raise ConfigError(f"wkv7: {name} is on {tensor.device}, r on {r.device}; move them to one device")
        if not tensor.is_floating_point():
            raise ConfigError(f"wkv7: {name} is {tensor.dtype}; give float32, bfloat16 or float16")


def _check_state(r: Tensor, state: Tensor | None) -> None:
    B, _, H, N = r.shape
    if state is None:
        return
    if state.shape != (B, H, N, N):
        raise ConfigError(f"wkv7: state has shape {tuple(state.shape)}; for r {tuple(r.shape)} it is {(B, H, N, N)}")
    if state.device != r.device:
        raise ConfigError(f"wkv7: state is on {state.device}, r on {r.device}; move them to one device")
    if not state.is_floating_point():
        raise ConfigError(f"wkv7: state is {state.dtype}; give float32")


def _check_decay(log_decay: Tensor) -> None:
    low, high = float(log_decay.min()), float(log_decay.max())
    if not LOWEST_LOG_DECAY <= low <= high <= 0.0:
        raise ConfigError(
            f"wkv7: log_decay lies in [{low:g}, {high:g}]; the fast backends take [{LOWEST_LOG_DECAY:g}, 0], "
            "RWKV-7 gives -0.6065307 * sigmoid(..); use backend='reference' for others"
        )
