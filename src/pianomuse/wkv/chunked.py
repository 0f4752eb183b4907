"""WKV-7 by matrix products over chunks of steps, on any device, with its own backward.

Inside a chunk of L steps that starts from the state S, with P_t the decay from its start up to and with step t:

    A = a P_{t-1}   R = r P_t   B = b / P_t   K = k / P_t                              rows are steps, [L, N]
    M_xz = x z^T, kept where step z comes before step x (or is the same one, for R)    [L, L]
    U = (I - M_AB)^-1 (A S^T + M_AK V)                                                 row t is S_{t-1} a_t
    Y = R S^T + M_RK V + M_RB U          S' = (S + V^T K + U^T B) diag(P_L)

Only S' is a chain; all else is computed for all chunks at once. float32 throughout, also under autocast: with repeated
keys (music repeats) bfloat16 products here are wrong by 5 percent. The inverse is built from blocks of doubling size,
which stays exact where the Neumann product loses everything. Legend: B batch, T steps, H heads, N head size, L chunk
length; the state is [B, H, N(value), N(key)]; chunks are [B, H, T / L, L, N].
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK_STEPS = 32
CPU_BLOCK = 1 << 20  # numbers per tensor worked on at once on a CPU, so that they stay in its caches: 1.4 times faster


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
        with torch.autocast(sequences[0].device.type, enabled=False):
            y, final, *kept = _joined(
                _forward([x[rows] for x in sequences], None if state is None else state[rows])
                for rows in _blocks(sequences[0])
            )
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(*sequences, *kept)
            ctx.state_dtype = None if state is None else state.dtype
        return y, final

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor, dfinal: Tensor) -> tuple[Tensor | None, ...]:
        *sequences, states, U, inverse = ctx.saved_tensors
        with torch.autocast(dy.device.type, enabled=False):
            *gradients, dstate = _joined(
                _backward([x[rows] for x in sequences], states[rows], U[rows], inverse[rows], dy[rows], dfinal[rows])
                for rows in _blocks(dy)
            )
        return (*gradients, None if ctx.state_dtype is None else dstate.to(ctx.state_dtype))


def _forward(sequences: list[Tensor], state: Tensor | None) -> list[Tensor]:
    """Return y, the final state, and for backward: the states [B, H, T / L + 1, N, N], U and the inverse."""
    r = sequences[0]
    B, T, H, N = r.shape
    chunk = _scaled(*map(_chunks, sequences))
    M_AB, M_AK, M_RB, M_RK = _mixing(chunk)
    inverse = _inverse(M_AB)
    W, U0 = inverse @ chunk.A, inverse @ (M_AK @ chunk.V)
    n_chunks = W.shape[2]
    S = r.new_zeros(B, H, N, N, dtype=torch.float32) if state is None else state.float()
    states, U = [S], []
    for c in range(n_chunks):
        U.append(W[:, :, c] @ S.mT + U0[:, :, c])
        S = S + chunk.V[:, :, c].mT @ chunk.K[:, :, c] + U[c].mT @ chunk.B[:, :, c]
        S = S * chunk.P[:, :, c, -1:]
        states.append(S)
    all_states, all_U = torch.stack(states, dim=2), torch.stack(U, dim=2)
    y = chunk.R @ all_states[:, :, :-1].mT + M_RK @ chunk.V + M_RB @ all_U
    return [_steps(y, T, r.dtype), S.clone(), all_states, all_U, inverse]


def _backward(
    sequences: list[Tensor], states: Tensor, U: Tensor, inverse: Tensor, dy: Tensor, G: Tensor
) -> list[Tensor]:
    """Return the gradients of the six sequences and of the first state; G is the gradient of the last one."""
    T, G = dy.shape[1], G.float()
    r, log_decay, k, v, a, b = map(_chunks, sequences)
    chunk = _scaled(r, log_decay, k, v, a, b)
    dY = _chunks(dy)
    _, M_AK, M_RB, M_RK = _mixing(chunk)
    last = chunk.P[..., -1:, :]
    # the chain, backwards; dZ is the gradient of A S^T + M_AK V
    dZ0, Z_of_G = inverse.mT @ (M_RB.mT @ dY), inverse.mT @ chunk.B
    G_decayed, dZ = [], []
    decay_sum = torch.empty_like(last)  # sum over the values of S_L * G, as the decay's gradient needs it
    for c in reversed(range(U.shape[2])):
        decay_sum[:, :, c, 0] = (states[:, :, c + 1] * G).sum(dim=-2)
        G = G * last[:, :, c]
        G_decayed.append(G)
        dZ.append(dZ0[:, :, c] + Z_of_G[:, :, c] @ G.mT)
        G = G + dY[:, :, c].mT @ chunk.R[:, :, c] + dZ[-1].mT @ chunk.A[:, :, c]
    all_G, all_dZ = torch.stack(G_decayed[::-1], dim=2), torch.stack(dZ[::-1], dim=2)
    del dZ0, Z_of_G, G_decayed, dZ
    dV = M_RK.mT @ dY + M_AK.mT @ all_dZ + chunk.K @ all_G.mT
    del M_AK, M_RB, M_RK
    S = states[:, :, :-1]
    D_AB, D_AK, D_RB, D_RK = _kept(all_dZ @ U.mT, all_dZ @ chunk.V.mT, dY @ U.mT, dY @ chunk.V.mT)
    da = (D_AB @ chunk.B + D_AK @ chunk.K + all_dZ @ S) * chunk.before
    dr = (D_RB @ chunk.B + D_RK @ chunk.K + dY @ S) * chunk.P
    db = (D_AB.mT @ chunk.A + D_RB.mT @ chunk.R + U @ all_G) / chunk.P
    dk = (D_AK.mT @ chunk.A + D_RK.mT @ chunk.R + chunk.V @ all_G) / chunk.P
    later = a * da
    dlog_decay = (r * dr - k * dk - b * db + later).flip(-2).cumsum(-2).flip(-2) - later + decay_sum
    gradients = (dr, dlog_decay, dk, dV, da, db)
    return [_steps(d, T, x.dtype) for d, x in zip(gradients, sequences, strict=True)] + [G]


def _blocks(x: Tensor) -> list[slice]:
    """Cut the batch rows of x for a CPU's caches; other devices take all at once."""
    B = x.shape[0]
    size = max(1, CPU_BLOCK * B // x.numel()) if x.device.type == "cpu" else B
    return [slice(begin, begin + size) for begin in range(0, B, size)]


def _joined(blocks: Iterable[list[Tensor]]) -> list[Tensor]:
    """Put the results of blocks of batch rows together again."""
    results = list(blocks)
    return results[0] if len(results) == 1 else [torch.cat(parts) for parts in zip(*results, strict=True)]


class _Chunk(NamedTuple):
    """What the formulas at the top call R, K, V, A, B and P; `before` is P_{t-1}."""

    R: Tensor
    K: Tensor
    V: Tensor
    A: Tensor
    B: Tensor
    P: Tensor
    before: Tensor


def _scaled(r: Tensor, log_decay: Tensor, k: Tensor, v: Tensor, a: Tensor, b: Tensor) -> _Chunk:
    total = log_decay.cumsum(-2)
    P, before = total.exp(), (total - log_decay).exp()
    return _Chunk(r * P, k / P, v, a * before, b / P, P, before)


def _mixing(chunk: _Chunk) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return M_AB, M_AK, M_RB, M_RK, each [.., L, L]."""
    B, K = chunk.B.mT, chunk.K.mT
    return _kept(chunk.A @ B, chunk.A @ K, chunk.R @ B, chunk.R @ K)


def _kept(AB: Tensor, AK: Tensor, RB: Tensor, RK: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Keep what comes before step t for a, and up to step t for r."""
    return AB.tril(-1), AK.tril(-1), RB.tril(), RK.tril()


def _inverse(M: Tensor) -> Tensor:
    """Return (I - M)^-1 for strictly lower triangular M [.., L, L].

    Two inverted blocks X, Z on the diagonal and C below X make [[X, 0], [Z C X, Z]], for blocks of 1, 2, 4, .. rows.
    """
    L = M.shape[-1]
    steps = torch.arange(L, device=M.device)
    inverse = torch.eye(L, device=M.device).expand_as(M)
    size = 1
    while size < L:
        block = steps // size
        below = (block[:, None] % 2 == 1) & (block[None, :] == block[:, None] - 1)
        corner = torch.where(below, M, 0.0)
        inverse = inverse + (corner if size == 1 else inverse @ corner @ inverse)
        size *= 2
    return inverse


def _chunks(x: Tensor) -> Tensor:
    """[B, T, H, N] -> float32 [B, H, n_chunks, L, N]; steps past the end hold zeros and decay nothing."""
    B, T, H, N = x.shape
    padded = torch.nn.functional.pad(x.float(), (0, 0, 0, 0, 0, -T % CHUNK_STEPS))
    return padded.view(B, -1, CHUNK_STEPS, H, N).permute(0, 3, 1, 2, 4).contiguous()


def _steps(x: Tensor, T: int, dtype: torch.dtype) -> Tensor:
    """[B, H, n_chunks, L, N] -> [B, T, H, N]."""
    B, H, _, _, N = x.shape
    return x.permute(0, 2, 3, 1, 4).reshape(B, -1, H, N)[:, :T].to(dtype).contiguous()
