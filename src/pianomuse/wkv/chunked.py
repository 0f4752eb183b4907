"""WKV-7 by matrix products over chunks of steps, on any device, with its own backward.

Inside a chunk of L steps that starts from the state S, with P_t the decay from its start up to and with step t:

    A = a P_{t-1}   R = r P_t   B = b / P_t   K = k / P_t                              rows are steps, [L, N]
    M_xz = x z^T, kept where step z comes before step x (or is the same one, for R)    [L, L]
    U = (I - M_AB)^-1 (A S^T + M_AK V)                                                 row t is S_{t-1} a_t
    Y = R S^T + M_RK V + M_RB U          S' = (S + V^T K + U^T B) diag(P_L)

Only S' is a chain; all else is computed for all chunks at once. float32 throughout, also under autocast: with repeated
keys (music repeats) bfloat16 products here make y wrong by 2 percent. The inverse is built from blocks of doubling
size, which stays exact where the Neumann product loses everything. In the code [A; R], [B; K], [U; V] are stacked, so
that one product does the work of four.

Legend: B batch, T steps, H heads, N head size, L steps of a chunk, n chunks; the state is [B, H, N(value), N(key)];
chunks are [n, B H, L, N].
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

L = 32  # steps of a chunk
CPU_BLOCK = 1 << 18  # numbers per tensor worked on at once on a CPU, so that they stay near its caches


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
            results = [
                _forward([x[rows] for x in sequences], None if state is None else state[rows])
                for rows in _blocks(sequences[0])
            ]
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(*sequences, *(kept for result in results for kept in result[2:]))
            ctx.state_dtype = None if state is None else state.dtype
        y, final = _joined([result[:2] for result in results])
        return y, final

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor, dfinal: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors  # read once: a second time is an error where blocks are recomputed
        sequences, kept = saved[:6], iter(saved[6:])
        with torch.autocast(dy.device.type, enabled=False):
            *gradients, dstate = _joined(
                [
                    _backward([x[rows] for x in sequences], next(kept), next(kept), next(kept), dy[rows], dfinal[rows])
                    for rows in _blocks(dy)
                ]
            )
        return (*gradients, None if ctx.state_dtype is None else dstate.to(ctx.state_dtype))


def _forward(sequences: list[Tensor], state: Tensor | None) -> list[Tensor]:
    """Return y, the final state, and for backward: the states [n + 1, B H, N, N], [U; V] and the inverse."""
    r = sequences[0]
    B, T, H, N = r.shape
    R, log_decay, K, V, A, Bs = map(_chunks, sequences)
    AR, BK, P, _ = _scaled(R, log_decay, K, A, Bs)
    M = _mixing(AR, BK)
    inverse = unit_triangular_inverse(M[..., :L, :L])
    W, U = inverse @ AR[:, :, :L], inverse @ (M[..., :L, L:] @ V)
    UV = torch.cat([U, V], dim=2)
    states = r.new_zeros(len(V) + 1, B * H, N, N, dtype=torch.float32)
    if state is not None:
        states[0] = state.reshape(B * H, N, N)
    for c in range(len(V)):
        UV[c, :, :L] += W[c] @ states[c].mT
        torch.mul(torch.baddbmm(states[c], UV[c].mT, BK[c]), P[c, :, -1:], out=states[c + 1])
    y = _add_product(AR[:, :, L:] @ states[:-1].mT, M[..., L:, :], UV)
    return [_steps(y, B, T, r.dtype), states[-1].reshape(B, H, N, N).clone(), states, UV, inverse]


def _backward(
    sequences: list[Tensor], states: Tensor, UV: Tensor, inverse: Tensor, dy: Tensor, dfinal: Tensor
) -> list[Tensor]:
    """Return the gradients of the six sequences and of the first state."""
    B, T, H, N = dy.shape
    r, log_decay, k, a, b = map(_chunks, sequences[:3] + sequences[4:])
    AR, BK, P, before = _scaled(r, log_decay, k, a, b)
    M = _mixing(AR, BK)
    dY = _chunks(dy)
    # the chain, backwards; dZ is the gradient of A S^T + M_AK V, and G that of the state times the chunk's decay
    Z_of_G = inverse.mT @ BK[:, :, :L]
    dZdY = torch.cat([inverse.mT @ (M[..., L:, :L].mT @ dY), dY], dim=2)
    G = torch.empty_like(states[1:])
    decay_sum = torch.empty_like(P[:, :, :1])  # sum over the values of state * its gradient, for the decay's gradient
    dstate = dfinal.float().reshape(B * H, N, N)
    for c in reversed(range(len(G))):
        torch.sum(states[c + 1] * dstate, dim=1, keepdim=True, out=decay_sum[c])
        torch.mul(dstate, P[c, :, -1:], out=G[c])
        dZdY[c, :, :L] += Z_of_G[c] @ G[c].mT
        dstate = torch.baddbmm(G[c], dZdY[c].mT, AR[c])
    dv = _add_product(BK[:, :, L:] @ G.mT, M[..., L:].mT, dZdY)
    D = _masked(dZdY @ UV.mT)
    dAR = _add_product(dZdY @ states[:-1], D, BK)
    dBK = _add_product(UV @ G, D.mT, AR)
    da, dr = dAR[:, :, :L].mul_(before), dAR[:, :, L:].mul_(P)
    db, dk = dBK[:, :, :L].div_(P), dBK[:, :, L:].div_(P)
    later = a * da
    from_here_on = (r * dr).sub_(k * dk).sub_(b * db).add_(later).flip(2).cumsum(2).flip(2)
    dlog_decay = from_here_on.sub_(later).add_(decay_sum)
    gradients = (dr, dlog_decay, dk, dv, da, db)
    results = [_steps(d, B, T, x.dtype) for d, x in zip(gradients, sequences, strict=True)]
    return [*results, dstate.reshape(B, H, N, N)]


def _scaled(r: Tensor, log_decay: Tensor, k: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return [A; R] and [B; K], both [n, B H, 2 L, N], P_t and P_{t-1}."""
    total = log_decay.cumsum(2)
    P, before = total.exp(), (total - log_decay).exp_()
    return torch.cat([a * before, r * P], dim=2), torch.cat([b / P, k / P], dim=2), P, before


def _mixing(AR: Tensor, BK: Tensor) -> Tensor:
    """Return [[M_AB, M_AK], [M_RB, M_RK]], [n, B H, 2 L, 2 L]."""
    return _masked(AR @ BK.mT)


def _masked(M: Tensor) -> Tensor:
    """Keep, in place, what comes before step t in the rows of a, and up to step t in the rows of r."""
    steps = torch.arange(L, device=M.device)
    too_late = torch.cat([steps[None] >= steps[:, None], steps[None] > steps[:, None]])
    return M.masked_fill_(too_late.repeat(1, 2), 0.0)


def _add_product(total: Tensor, x: Tensor, z: Tensor) -> Tensor:
    """Add x z to total in place; all [n, B H, rows, columns]."""
    total.view(-1, *total.shape[2:]).baddbmm_(x.flatten(0, 1), z.flatten(0, 1))
    return total


def unit_triangular_inverse(M: Tensor) -> Tensor:
    """Return (I - M)^-1 for strictly lower triangular M [.., L, L].

    Two inverted blocks X, Z on the diagonal and C below X make [[X, 0], [Z C X, Z]], for blocks of 1, 2, 4, .. rows.
    """
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
    """[B, T, H, N] -> float32 [n, B H, L, N]; steps past the end hold zeros and decay nothing."""
    B, T, H, N = x.shape
    padded = torch.nn.functional.pad(x.float(), (0, 0, 0, 0, 0, -T % L)) if T % L else x.float()
    return padded.reshape(B, -1, L, H, N).permute(1, 0, 3, 2, 4).reshape(-1, B * H, L, N)


def _steps(x: Tensor, B: int, T: int, dtype: torch.dtype) -> Tensor:
    """[n, B H, L, N] -> [B, T, H, N]."""
    n, BH, _, N = x.shape
    return (
        x.view(n, B, BH // B, L, N).permute(1, 0, 3, 2, 4).reshape(B, n * L, BH // B, N)[:, :T].to(dtype).contiguous()
    )


def _blocks(x: Tensor) -> list[slice]:
    """Cut the batch rows of x for a CPU's caches; other devices take all at once."""
    B = x.shape[0]
    size = max(1, CPU_BLOCK * B // x.numel()) if x.device.type == "cpu" else B
    return [slice(begin, begin + size) for begin in range(0, B, size)]


def _joined(results: list[list[Tensor]]) -> list[Tensor]:
    """Put the results of blocks of batch rows together again."""
    return results[0] if len(results) == 1 else [torch.cat(parts) for parts in zip(*results, strict=True)]
