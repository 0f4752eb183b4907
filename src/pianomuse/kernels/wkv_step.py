"""The WKV recurrence for one lane, forward only."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def scan(r: Floats, w: Floats, k: Floats, v: Floats, a: Floats, b: Floats, state: Floats, y: Floats) -> None:
    """Advance state [H, N, N] over T tokens of [T, C] rows; write y [T, C]."""
    H, N = state.shape[0], state.shape[1]
    for head in range(H):
        at = head * N
        for t in range(r.shape[0]):
            for i in range(N):
                u = np.float32(0)
                for j in range(N):
                    u += state[head, i, j] * a[t, at + j]
                out = np.float32(0)
                for j in range(N):
                    s = state[head, i, j] * w[t, at + j] + u * b[t, at + j] + v[t, at + i] * k[t, at + j]
                    state[head, i, j] = s
                    out += s * r[t, at + j]
                y[t, at + i] = out
