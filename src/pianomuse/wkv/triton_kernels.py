# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, import-untyped, import-not-found"
"""Triton kernels of the chunk form of WKV-7: what `triton` launches.

The formulas are those of `chunked`. With P_t the decay from the start of a chunk up to and with step t, P_L that of the
whole chunk, S the state at its start, G the gradient of the state at its end, and M_xz = x z^T, kept where step z comes
before step x (or is the same one, for R):

    A = a P_{t-1}   R = r P_t   B = b / P_t   K = k / P_t   B_L = B P_L   K_L = K P_L   J = (I - M_AB)^-1
    forward_parts     W = J A     U0 = J M_AK V
    forward_chain     U = W S^T + U0                             S' = S P_L + V^T K_L + U^T B_L
    output            Y = R S^T + M_RK V + M_RB U
    backward_parts    Z0 = J^T M_RB^T dY     E = J^T B_L
    backward_chain    Z = Z0 + E G^T                             G of the chunk before = G P_L + dY^T R + Z^T A
    key_gradients, value_gradients: all else, as in `chunked`

The two chains go through the chunks one by one and are split over value rows; the others take all chunks at once, one
for each program. The chains and what leads to U and Z run at the precision EXACT, the rest at FAST: with repeated keys
an error in U is carried on through a chunk and into the state, an error in Y is not.

Legend: T steps, H heads, N head size, L chunk length, V value rows of a program. Sequences are [B, T, H, N]; work
arrays [B H, n_chunks L, N] and states [B H, n_chunks + 1, N(value), N(key)], the last one too, in float32.
"""

from __future__ import annotations

import triton  # the package: imports are absolute
import triton.language as tl

_kernel = triton.jit(do_not_specialize=("T", "n_chunks"))  # compiling takes seconds: not anew for other lengths


@_kernel
def forward_parts(
    log_decay, k, v, a, b, W, U0, total_decay, inverse, T, n_chunks,
    H: tl.constexpr, N: tl.constexpr, L: tl.constexpr, EXACT: tl.constexpr,
):  # fmt: skip
    """All of U that does not need the state."""
    chunk, head = tl.program_id(0) % n_chunks, tl.program_id(0) // n_chunks
    lw = _steps(log_decay, head, chunk, T, H, N, L)
    total = tl.cumsum(lw, axis=0)
    tl.store(_work(total_decay, head, chunk, n_chunks, N, L), total)
    A = _steps(a, head, chunk, T, H, N, L) * tl.exp(total - lw)
    B = _steps(b, head, chunk, T, H, N, L) * tl.exp(-total)
    J = _inverse(_before(_dot(A, tl.trans(B), EXACT), L), L, EXACT)
    tl.store(_work(inverse, head, chunk, n_chunks, L, L), J)
    tl.store(_work(W, head, chunk, n_chunks, N, L), _dot(J, A, EXACT))
    K = _steps(k, head, chunk, T, H, N, L) * tl.exp(-total)
    JM = _dot(J, _before(_dot(A, tl.trans(K), EXACT), L), EXACT)
    tl.store(_work(U0, head, chunk, n_chunks, N, L), _dot(JM, _steps(v, head, chunk, T, H, N, L), EXACT))


@_kernel
def forward_chain(
    k, v, b, W, U0, total_decay, state, U, states, T, n_chunks,
    H: tl.constexpr, N: tl.constexpr, L: tl.constexpr, V: tl.constexpr, HAS_STATE: tl.constexpr, EXACT: tl.constexpr,
):  # fmt: skip
    """U of every chunk and the state at its start."""
    first, head = tl.program_id(0) % (N // V) * V, tl.program_id(0) // (N // V)
    S = tl.zeros((V, N), tl.float32)
    if HAS_STATE:
        S += tl.load(_state(state, head, 0, 1, first, N, V)).to(tl.float32)
    for chunk in range(n_chunks):
        tl.store(_state(states, head, chunk, n_chunks + 1, first, N, V), S)
        total = tl.load(_work(total_decay, head, chunk, n_chunks, N, L))
        whole = tl.load(_last(total_decay, head, chunk, n_chunks, N, L))
        K = _steps(k, head, chunk, T, H, N, L) * tl.exp(whole[None, :] - total)
        B = _steps(b, head, chunk, T, H, N, L) * tl.exp(whole[None, :] - total)
        u = _dot(tl.load(_work(W, head, chunk, n_chunks, N, L)), tl.trans(S), EXACT) + tl.load(
            _work_columns(U0, head, chunk, n_chunks, first, N, L, V)
        )
        tl.store(_work_columns(U, head, chunk, n_chunks, first, N, L, V), u)
        kv = _dot(tl.trans(_step_columns(v, head, chunk, T, first, H, N, L, V)), K, EXACT)
        S = S * tl.exp(whole)[None, :] + kv + _dot(tl.trans(u), B, EXACT)
    tl.store(_state(states, head, n_chunks, n_chunks + 1, first, N, V), S)


@_kernel
def output(
    r, k, v, b, U, total_decay, states, y, T, n_chunks,
    H: tl.constexpr, N: tl.constexpr, L: tl.constexpr, FAST: tl.constexpr,
):  # fmt: skip
    """Y of a chunk from the state at its start."""
    chunk, head = tl.program_id(0) % n_chunks, tl.program_id(0) // n_chunks
    total = tl.load(_work(total_decay, head, chunk, n_chunks, N, L))
    R = _steps(r, head, chunk, T, H, N, L) * tl.exp(total)
    B = _steps(b, head, chunk, T, H, N, L) * tl.exp(-total)
    K = _steps(k, head, chunk, T, H, N, L) * tl.exp(-total)
    V = _steps(v, head, chunk, T, H, N, L)
    S = tl.load(_state(states, head, chunk, n_chunks + 1, 0, N, N))
    Y = _dot(R, tl.trans(S), FAST)
    Y += _dot(_up_to(_dot(R, tl.trans(K), FAST), L), V, FAST)
    Y += _dot(_up_to(_dot(R, tl.trans(B), FAST), L), tl.load(_work(U, head, chunk, n_chunks, N, L)), FAST)
    _store(y, Y, head, chunk, T, H, N, L)


@_kernel
def backward_parts(
    r, log_decay, b, dy, inverse, Z0, E, total_decay, T, n_chunks,
    H: tl.constexpr, N: tl.constexpr, L: tl.constexpr, EXACT: tl.constexpr,
):  # fmt: skip
    """All of Z that does not need the gradient of the state."""
    chunk, head = tl.program_id(0) % n_chunks, tl.program_id(0) // n_chunks
    lw = _steps(log_decay, head, chunk, T, H, N, L)
    total, whole = tl.cumsum(lw, axis=0), tl.sum(lw, axis=0)
    tl.store(_work(total_decay, head, chunk, n_chunks, N, L), total)
    R = _steps(r, head, chunk, T, H, N, L) * tl.exp(total)
    b_here = _steps(b, head, chunk, T, H, N, L)
    dY = _steps(dy, head, chunk, T, H, N, L)
    J_turned = tl.trans(tl.load(_work(inverse, head, chunk, n_chunks, L, L)))
    M_RB = _up_to(_dot(R, tl.trans(b_here * tl.exp(-total)), EXACT), L)
    tl.store(_work(Z0, head, chunk, n_chunks, N, L), _dot(J_turned, _dot(tl.trans(M_RB), dY, EXACT), EXACT))
    tl.store(_work(E, head, chunk, n_chunks, N, L), _dot(J_turned, b_here * tl.exp(whole[None, :] - total), EXACT))


@_kernel
def backward_chain(
    r, log_decay, a, dy, Z0, E, total_decay, dfinal, Z, G_end, dstate, T, n_chunks,
    H: tl.constexpr, N: tl.constexpr, L: tl.constexpr, V: tl.constexpr, HAS_FINAL: tl.constexpr, EXACT: tl.constexpr,
):  # fmt: skip
    """Z of every chunk and the gradient of the state at its end, the last chunk first."""
    first, head = tl.program_id(0) % (N // V) * V, tl.program_id(0) // (N // V)
    G = tl.zeros((V, N), tl.float32)
    if HAS_FINAL:
        G += tl.load(_state(dfinal, head, 0, 1, first, N, V)).to(tl.float32)
    for back in range(n_chunks):
        chunk = n_chunks - 1 - back
        tl.store(_state(G_end, head, chunk, n_chunks, first, N, V), G)
        total = tl.load(_work(total_decay, head, chunk, n_chunks, N, L))
        whole = tl.load(_last(total_decay, head, chunk, n_chunks, N, L))
        z = _dot(tl.load(_work(E, head, chunk, n_chunks, N, L)), tl.trans(G), EXACT) + tl.load(
            _work_columns(Z0, head, chunk, n_chunks, first, N, L, V)
        )
        tl.store(_work_columns(Z, head, chunk, n_chunks, first, N, L, V), z)
        R = _steps(r, head, chunk, T, H, N, L) * tl.exp(total)
        A = _steps(a, head, chunk, T, H, N, L) * tl.exp(total - _steps(log_decay, head, chunk, T, H, N, L))
        yr = _dot(tl.trans(_step_columns(dy, head, chunk, T, first, H, N, L, V)), R, EXACT)
        G = G * tl.exp(whole)[None, :] + yr + _dot(tl.trans(z), A, EXACT)
    tl.store(_state(dstate, head, 0, 1, first, N, V), G)


@_kernel
def key_gradients(
    r, log_decay, k, v, a, b, dy, U, Z, states, G_end, dr, dlog_decay, dk, da, db, T, n_chunks,
    H: tl.constexpr, N: tl.constexpr, L: tl.constexpr, FAST: tl.constexpr,
):  # fmt: skip
    """All gradients of a chunk but that of v.

    z, dY, u and v are loaded twice, through another cache hint so that they are not merged into one load: held over the
    whole program they would not fit into its registers.
    """
    chunk, head = tl.program_id(0) % n_chunks, tl.program_id(0) // n_chunks
    lw = _steps(log_decay, head, chunk, T, H, N, L)
    total, whole = tl.cumsum(lw, axis=0), tl.sum(lw, axis=0)
    G = tl.load(_state(G_end, head, chunk, n_chunks, 0, N, N))
    decay_sum = tl.sum(tl.load(_state(states, head, chunk + 1, n_chunks + 1, 0, N, N)) * G, axis=0)
    G = G * tl.exp(whole)[None, :]
    S = tl.load(_state(states, head, chunk, n_chunks + 1, 0, N, N))
    A = _steps(a, head, chunk, T, H, N, L) * tl.exp(total - lw)
    R = _steps(r, head, chunk, T, H, N, L) * tl.exp(total)
    B = _steps(b, head, chunk, T, H, N, L) * tl.exp(-total)
    K = _steps(k, head, chunk, T, H, N, L) * tl.exp(-total)
    z = tl.load(_work(Z, head, chunk, n_chunks, N, L))
    dY = _steps(dy, head, chunk, T, H, N, L)
    u = tl.load(_work(U, head, chunk, n_chunks, N, L))
    D_AB, D_RB = _before(_dot(z, tl.trans(u), FAST), L), _up_to(_dot(dY, tl.trans(u), FAST), L)
    v_here = _steps(v, head, chunk, T, H, N, L)
    D_AK, D_RK = _before(_dot(z, tl.trans(v_here), FAST), L), _up_to(_dot(dY, tl.trans(v_here), FAST), L)

    dA = _dot(D_AB, B, FAST) + _dot(D_AK, K, FAST)
    dA += _dot(tl.load(_work(Z, head, chunk, n_chunks, N, L), cache_modifier=".ca"), S, FAST)
    _store(da, dA * tl.exp(total - lw), head, chunk, T, H, N, L)
    later = dA * A
    dR = _dot(D_RB, B, FAST) + _dot(D_RK, K, FAST)
    dR += _dot(_steps(dy, head, chunk, T, H, N, L, ".ca"), S, FAST)
    _store(dr, dR * tl.exp(total), head, chunk, T, H, N, L)
    run = later + dR * R

    dB = _dot(tl.trans(D_AB), A, FAST) + _dot(tl.trans(D_RB), R, FAST)
    dB += _dot(tl.load(_work(U, head, chunk, n_chunks, N, L), cache_modifier=".ca"), G, FAST)
    _store(db, dB * tl.exp(-total), head, chunk, T, H, N, L)
    dK = _dot(tl.trans(D_AK), A, FAST) + _dot(tl.trans(D_RK), R, FAST)
    dK += _dot(_steps(v, head, chunk, T, H, N, L, ".ca"), G, FAST)
    _store(dk, dK * tl.exp(-total), head, chunk, T, H, N, L)
    run -= dB * B + dK * K
    to_the_end = tl.sum(run, axis=0)[None, :] - tl.cumsum(run, axis=0) + run - later + decay_sum[None, :]
    _store(dlog_decay, to_the_end, head, chunk, T, H, N, L)


@_kernel
def value_gradients(
    r, log_decay, k, a, dy, Z, G_end, dv, T, n_chunks,
    H: tl.constexpr, N: tl.constexpr, L: tl.constexpr, FAST: tl.constexpr,
):  # fmt: skip
    """The gradient of v in a chunk."""
    chunk, head = tl.program_id(0) % n_chunks, tl.program_id(0) // n_chunks
    lw = _steps(log_decay, head, chunk, T, H, N, L)
    total, whole = tl.cumsum(lw, axis=0), tl.sum(lw, axis=0)
    K = _steps(k, head, chunk, T, H, N, L) * tl.exp(-total)
    G = tl.load(_state(G_end, head, chunk, n_chunks, 0, N, N)) * tl.exp(whole)[None, :]
    dV = _dot(K, tl.trans(G), FAST)
    M_AK = _before(_dot(_steps(a, head, chunk, T, H, N, L) * tl.exp(total - lw), tl.trans(K), FAST), L)
    dV += _dot(tl.trans(M_AK), tl.load(_work(Z, head, chunk, n_chunks, N, L)), FAST)
    M_RK = _up_to(_dot(_steps(r, head, chunk, T, H, N, L) * tl.exp(total), tl.trans(K), FAST), L)
    dV += _dot(tl.trans(M_RK), _steps(dy, head, chunk, T, H, N, L), FAST)
    _store(dv, dV, head, chunk, T, H, N, L)


@triton.jit
def _dot(x, z, PRECISION: tl.constexpr):
    return tl.dot(x, z, input_precision=PRECISION)


@triton.jit
def _before(M, L: tl.constexpr):
    i = tl.arange(0, L)
    return tl.where(i[:, None] > i[None, :], M, 0.0)


@triton.jit
def _up_to(M, L: tl.constexpr):
    i = tl.arange(0, L)
    return tl.where(i[:, None] >= i[None, :], M, 0.0)


@triton.jit
def _inverse(M, L: tl.constexpr, EXACT: tl.constexpr):
    """(I - M)^-1 for strictly lower triangular M.

    Forward substitution by blocks: two inverted blocks X, Z on the diagonal and C below X make [[X, 0], [Z C X, Z]],
    for blocks of 1, 2, 4, .. rows. The shorter Neumann product (I + M)(I + M^2)(I + M^4).. loses everything at L = 32.
    """
    i = tl.arange(0, L)
    J = tl.where(i[:, None] == i[None, :], 1.0, 0.0)
    J += tl.where((i[:, None] % 2 == 1) & (i[None, :] == i[:, None] - 1), M, 0.0)
    for level in tl.static_range(1, 10):
        if 2**level < L:
            block = i // 2**level
            below = (block[:, None] % 2 == 1) & (block[None, :] == block[:, None] - 1)
            J += _dot(J, _dot(tl.where(below, M, 0.0), J, EXACT), EXACT)
    return J


@triton.jit
def _steps(x, head, chunk, T, H: tl.constexpr, N: tl.constexpr, L: tl.constexpr, CACHE: tl.constexpr = ""):
    """The steps of a chunk [L, N] in float32; steps past the end are zeros."""
    return _step_columns(x, head, chunk, T, 0, H, N, L, N, CACHE)


@triton.jit
def _step_columns(
    x, head, chunk, T, first,
    H: tl.constexpr, N: tl.constexpr, L: tl.constexpr, V: tl.constexpr, CACHE: tl.constexpr = "",
):  # fmt: skip
    i = tl.arange(0, L)
    tile = i[:, None] * (H * N) + tl.arange(0, V)[None, :]
    here, at = (chunk * L + i)[:, None] < T, _first_step(head, chunk, T, H, N, L) + first
    return tl.load(x + at + tile, mask=here, other=0.0, cache_modifier=CACHE).to(tl.float32)


@triton.jit
def _store(x, value, head, chunk, T, H: tl.constexpr, N: tl.constexpr, L: tl.constexpr):
    i = tl.arange(0, L)
    tile = i[:, None] * (H * N) + tl.arange(0, N)[None, :]
    at = _first_step(head, chunk, T, H, N, L)
    tl.store(x + at + tile, value.to(x.dtype.element_ty), mask=(chunk * L + i)[:, None] < T)


@triton.jit
def _first_step(head, chunk, T, H: tl.constexpr, N: tl.constexpr, L: tl.constexpr):
    """Where a chunk starts in a sequence; only such places need 64 bits, offsets inside a tile do not."""
    return ((head // H).to(tl.int64) * T * H + head % H) * N + (chunk * L + tl.zeros((), tl.int64)) * (H * N)


@triton.jit
def _tile(x, rows, first, N: tl.constexpr, L: tl.constexpr, V: tl.constexpr):
    """Pointers to L rows by V columns of an array with rows of N numbers."""
    return x + rows * N + first + (tl.arange(0, L)[:, None] * N + tl.arange(0, V)[None, :])


@triton.jit
def _work(x, head, chunk, n_chunks, N: tl.constexpr, L: tl.constexpr):
    """Pointers to a chunk's rows of N numbers in a work array."""
    return _tile(x, (head.to(tl.int64) * n_chunks + chunk) * L, 0, N, L, N)


@triton.jit
def _work_columns(x, head, chunk, n_chunks, first, N: tl.constexpr, L: tl.constexpr, V: tl.constexpr):
    return _tile(x, (head.to(tl.int64) * n_chunks + chunk) * L, first, N, L, V)


@triton.jit
def _last(x, head, chunk, n_chunks, N: tl.constexpr, L: tl.constexpr):
    """Pointers to a chunk's last row in a work array."""
    return x + ((head.to(tl.int64) * n_chunks + chunk + 1) * L - 1) * N + tl.arange(0, N)


@triton.jit
def _state(x, head, at, n_states, first, N: tl.constexpr, V: tl.constexpr):
    """Pointers to V rows of a state in [B H, n_states, N, N]."""
    return _tile(x, (head.to(tl.int64) * n_states + at) * N + first, 0, N, V, N)
