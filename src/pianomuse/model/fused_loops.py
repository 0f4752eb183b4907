"""Compiled loops over rows of channels: each does in one pass over memory what PyTorch does in ten to twenty.

All arrays are flat. A row is one token's C channels, in float32 or bfloat16; all arithmetic is float32. Each loop takes
a range of rows, so that threads can share them, and adds parameter gradients to buffers of its own.

Legend: T tokens in a sequence, C channels, H heads, N head size, n mixes; `place` a row, `at` a channel of a row.
"""
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from __future__ import annotations

import numpy as np
from numba import njit

from pianomuse.kernels.vectors import LANES, add, fill, fma, load, mul, store, sub
from pianomuse.model.fused_vectors import at_most, decline, read, sigmoid_of, total, write

DECAY_LIMIT = np.float32(np.exp(-0.5))
_FLAGS = {"nogil": True, "cache": True, "error_model": "numpy"}


@njit(**_FLAGS)
def mix_forward(first, last, T, C, q, shift, mixes, out, n_rows):
    """out[i] = q + (previous q - q) * mixes[i]; shift [B, C] stands before each sequence, out is [n, rows, C]."""
    for place in range(first, last):
        starts = place % T == 0
        for c in range(0, C, LANES):
            current = load(q, place * C + c)
            before = load(shift, place // T * C + c) if starts else load(q, (place - 1) * C + c)
            change = sub(before, current)
            for i in range(mixes.shape[0] // C):
                write(out, (i * n_rows + place) * C + c, fma(change, load(mixes, i * C + c), current))


@njit(**_FLAGS)
def mix_backward(first, last, T, C, q, shift, mixes, gradient, n_rows, dq, dmixes):
    """Gradients of `mix_forward`: dq, and dmixes [n, C] (added to)."""
    for place in range(first, last):
        starts, has_next = place % T == 0, place % T != T - 1
        for c in range(0, C, LANES):
            current = load(q, place * C + c)
            before = load(shift, place // T * C + c) if starts else load(q, (place - 1) * C + c)
            change = sub(before, current)
            own = fill(0.0)
            for i in range(mixes.shape[0] // C):
                g = read(gradient, (i * n_rows + place) * C + c)
                own = fma(g, sub(fill(1.0), load(mixes, i * C + c)), own)
                store(dmixes, i * C + c, fma(g, change, load(dmixes, i * C + c)))
                if has_next:  # this row is also the previous one of the next
                    later = read(gradient, (i * n_rows + place + 1) * C + c)
                    own = fma(later, load(mixes, i * C + c), own)
            store(dq, place * C + c, own)


@njit(inline="always")
def _norm(place, low, N, k, k_k):
    """Return 1 / the length of k * k_k in one head."""
    squares = fill(0.0)
    for c in range(low, low + N, LANES):
        kk = mul(read(k, place + c), load(k_k, c))
        squares = fma(kk, kk, squares)
    return np.float32(1) / max(np.sqrt(total(squares)), np.float32(1e-12))


@njit(**_FLAGS)
def heads_forward(
    first, last, H, N, r, w, k, v, a, m, v_first, w0, a0, v0, k_k, k_a, is_first,
    r_out, decay, key, value, removed, added,
):  # fmt: skip
    """Make the inputs of the recurrence, float32, from the products of one layer.

    rate = sigmoid(a0 + a); decay = -DECAY_LIMIT * sigmoid(w0 + w); key = k * (1 + (rate - 1) * k_a);
    kk = k * k_k, normalised per head; removed = -kk; added = kk * rate;
    value = v + (v_first - v) * sigmoid(v0 + m), in the first layer v.
    """
    C, one = H * N, fill(1.0)
    for place in range(first * C, last * C, C):
        for low in range(0, C, N):
            inverse = fill(_norm(place, low, N, k, k_k))
            for c in range(low, low + N, LANES):
                at = place + c
                raw = read(k, at)
                kk = mul(mul(raw, load(k_k, c)), inverse)
                rate = sigmoid_of(decline(add(load(a0, c), read(a, at))))
                store(removed, at, sub(fill(0.0), kk))
                store(added, at, mul(kk, rate))
                store(key, at, mul(raw, fma(sub(rate, one), load(k_a, c), one)))
                decline_w = decline(add(load(w0, c), read(w, at)))
                store(decay, at, mul(fill(-DECAY_LIMIT), sigmoid_of(decline_w)))
                store(r_out, at, read(r, at))
                new = read(v, at)
                if not is_first:
                    s = sigmoid_of(decline(add(load(v0, c), read(m, at))))
                    new = fma(sub(read(v_first, at), new), s, new)
                store(value, at, new)


@njit(**_FLAGS)
def heads_backward(
    first, last, H, N, w, k, v, a, m, v_first, w0, a0, v0, k_k, k_a, is_first,
    ddecay, dkey, dvalue, dremoved, dadded, dr_out,
    dr, dw, dk, dv, da, dm, dv_first, dw0, da0, dv0, dk_k, dk_a,
):  # fmt: skip
    """Gradients of `heads_forward`; those of parameters (w0, a0, v0, k_k, k_a) are added to."""
    C = H * N
    one = fill(1.0)
    for place in range(first * C, last * C, C):
        for low in range(0, C, N):
            number = _norm(place, low, N, k, k_k)
            inverse = fill(number)
            dots = fill(0.0)
            for c in range(low, low + N, LANES):
                at = place + c
                rate = sigmoid_of(decline(add(load(a0, c), read(a, at))))
                dkk = sub(mul(load(dadded, at), rate), load(dremoved, at))
                dots = fma(mul(read(k, at), load(k_k, c)), dkk, dots)
            along = fill(total(dots) * number * number)
            for c in range(low, low + N, LANES):
                at = place + c
                raw, dnew = read(k, at), load(dkey, at)
                e = decline(add(load(a0, c), read(a, at)))
                rate = sigmoid_of(e)
                unnormed = mul(raw, load(k_k, c))
                dkk = sub(mul(load(dadded, at), rate), load(dremoved, at))
                dkk = mul(sub(dkk, mul(unnormed, along)), inverse)
                drate = fma(mul(dnew, raw), load(k_a, c), mul(mul(load(dadded, at), unnormed), inverse))
                dlogit = mul(drate, mul(rate, mul(e, rate)))
                write(da, at, dlogit)
                store(da0, c, add(load(da0, c), dlogit))
                write(dk, at, fma(dkk, load(k_k, c), mul(dnew, fma(sub(rate, one), load(k_a, c), one))))
                store(dk_k, c, fma(dkk, raw, load(dk_k, c)))
                store(dk_a, c, fma(mul(dnew, raw), sub(rate, one), load(dk_a, c)))
                e = decline(add(load(w0, c), read(w, at)))
                s = sigmoid_of(e)
                dlogit = mul(mul(load(ddecay, at), fill(-DECAY_LIMIT)), mul(s, mul(e, s)))
                write(dw, at, dlogit)
                store(dw0, c, add(load(dw0, c), dlogit))
                write(dr, at, load(dr_out, at))
                dnew = load(dvalue, at)
                if not is_first:
                    e = decline(add(load(v0, c), read(m, at)))
                    s = sigmoid_of(e)
                    write(dv_first, at, mul(dnew, s))
                    dlogit = mul(mul(dnew, sub(read(v_first, at), read(v, at))), mul(s, mul(e, s)))
                    write(dm, at, dlogit)
                    store(dv0, c, add(load(dv0, c), dlogit))
                    dnew = mul(dnew, mul(e, s))
                write(dv, at, dnew)


@njit(**_FLAGS)
def join_forward(first, last, H, N, y, r, k, v, g, r_k, weight, bias, eps, out, moments):
    """out = (group norm of y + (sum of r * k * r_k) * v) * g; moments [rows, H, 2] keep mean and 1 / deviation."""
    C = H * N
    for row in range(first, last):
        place = row * C
        for h in range(H):
            low = h * N
            sums, bonuses = fill(0.0), fill(0.0)
            for c in range(low, low + N, LANES):
                sums = add(sums, load(y, place + c))
                bonuses = fma(mul(load(r, place + c), load(k, place + c)), load(r_k, c), bonuses)
            mean = total(sums) / np.float32(N)
            squares = fill(0.0)
            for c in range(low, low + N, LANES):
                centred = sub(load(y, place + c), fill(mean))
                squares = fma(centred, centred, squares)
            inverse = np.float32(1) / np.sqrt(total(squares) / np.float32(N) + eps)
            moments[(row * H + h) * 2], moments[(row * H + h) * 2 + 1] = mean, inverse
            bonus = fill(total(bonuses))
            for c in range(low, low + N, LANES):
                centred = mul(sub(load(y, place + c), fill(mean)), fill(inverse))
                inner = fma(bonus, load(v, place + c), fma(centred, load(weight, c), load(bias, c)))
                write(out, place + c, mul(inner, read(g, place + c)))


@njit(**_FLAGS)
def join_backward(
    first, last, H, N, y, r, k, v, g, r_k, weight, bias, moments, gradient, dy, dr, dk, dv, dg, dr_k, dweight, dbias
):
    """Gradients of `join_forward`; dr_k, dweight and dbias are added to."""
    C = H * N
    for row in range(first, last):
        place = row * C
        for h in range(H):
            low = h * N
            mean, inverse = fill(moments[(row * H + h) * 2]), fill(moments[(row * H + h) * 2 + 1])
            bonuses, dbonuses, sums, dots = fill(0.0), fill(0.0), fill(0.0), fill(0.0)
            for c in range(low, low + N, LANES):
                at = place + c
                dinner = mul(read(gradient, at), read(g, at))
                bonuses = fma(mul(load(r, at), load(k, at)), load(r_k, c), bonuses)
                dbonuses = fma(dinner, load(v, at), dbonuses)
                dnormed = mul(dinner, load(weight, c))
                sums = add(sums, dnormed)
                dots = fma(dnormed, mul(sub(load(y, at), mean), inverse), dots)
            bonus, dbonus = fill(total(bonuses)), fill(total(dbonuses))
            centre, along = fill(total(sums) / np.float32(N)), fill(total(dots) / np.float32(N))
            for c in range(low, low + N, LANES):
                at = place + c
                dout, weight_c = read(gradient, at), load(weight, c)
                dinner = mul(dout, read(g, at))
                normed = mul(sub(load(y, at), mean), inverse)
                write(dg, at, mul(dout, fma(bonus, load(v, at), fma(normed, weight_c, load(bias, c)))))
                store(dy, at, mul(sub(sub(mul(dinner, weight_c), centre), mul(normed, along)), inverse))
                store(dv, at, mul(dinner, bonus))
                both = mul(load(r, at), load(k, at))
                store(dr, at, mul(mul(dbonus, load(k, at)), load(r_k, c)))
                store(dk, at, mul(mul(dbonus, load(r, at)), load(r_k, c)))
                store(dr_k, c, fma(dbonus, both, load(dr_k, c)))
                store(dweight, c, fma(dinner, normed, load(dweight, c)))
                store(dbias, c, add(load(dbias, c), dinner))


@njit(**_FLAGS)
def relu2_forward(first, last, x, out):
    """out = max(x, 0)², by numbers and not rows; first and last are multiples of 32."""
    for at in range(first, last, LANES):
        negative = at_most(read(x, at), fill(0.0))
        positive = sub(read(x, at), negative)
        write(out, at, mul(positive, positive))


@njit(**_FLAGS)
def relu2_backward(first, last, x, gradient, dx):
    """dx = 2 max(x, 0) * gradient."""
    for at in range(first, last, LANES):
        positive = sub(read(x, at), at_most(read(x, at), fill(0.0)))
        write(dx, at, mul(mul(fill(2.0), positive), read(gradient, at)))


@njit(**_FLAGS)
def gate_forward(first, last, F, x, z, s0, out):
    """out = max(x, 0)² * (z + s0), for rows of F numbers; s0 is one row."""
    for place in range(first * F, last * F, F):
        for c in range(0, F, LANES):
            at = place + c
            positive = sub(read(x, at), at_most(read(x, at), fill(0.0)))
            write(out, at, mul(mul(positive, positive), add(read(z, at), load(s0, c))))


@njit(**_FLAGS)
def gate_backward(first, last, F, x, z, s0, gradient, dx, dz, ds0):
    """Gradients of `gate_forward`; ds0 is added to."""
    for place in range(first * F, last * F, F):
        for c in range(0, F, LANES):
            at = place + c
            positive = sub(read(x, at), at_most(read(x, at), fill(0.0)))
            slope = mul(positive, read(gradient, at))
            write(dx, at, mul(mul(fill(2.0), slope), add(read(z, at), load(s0, c))))
            dgate = mul(slope, positive)
            write(dz, at, dgate)
            store(ds0, c, add(load(ds0, c), dgate))
