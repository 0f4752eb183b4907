"""The definition of the WKV-7 operator: a loop over the steps, in any dtype, on any device.

Every other backend is tested against this one. Legend: B batch, T steps, H heads, N head size; the state S is
[B, H, N(value), N(key)].
"""

from __future__ import annotations

import torch
from torch import Tensor


def wkv7(
    r: Tensor, log_decay: Tensor, k: Tensor, v: Tensor, a: Tensor, b: Tensor, state: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return y [B, T, H, N] and the state after the last step [B, H, N, N].

    Half-precision inputs are computed in float32; float64 stays float64. y has the dtype of r.
    """
    B, _, H, N = r.shape
    dtype = torch.promote_types(r.dtype, torch.float32)
    S = r.new_zeros(B, H, N, N, dtype=dtype) if state is None else state.to(dtype)
    steps = (x.to(dtype).unbind(dim=1) for x in (r, log_decay.to(dtype).exp(), k, v, a, b))
    y = []
    with torch.autocast(r.device.type, enabled=False):  # it would round the products to half precision
        for r_t, w_t, k_t, v_t, a_t, b_t in zip(*steps, strict=True):  # each [B, H, N]
            u_t = S @ a_t[..., None]  # [B, H, N(value), 1]
            S = S * w_t[..., None, :] + u_t * b_t[..., None, :] + v_t[..., None] * k_t[..., None, :]
            y.append((S @ r_t[..., None])[..., 0])
    return torch.stack(y, dim=1).to(r.dtype), S
