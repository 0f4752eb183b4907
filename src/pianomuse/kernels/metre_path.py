"""The likeliest way of a performance through a bar, compiled: a hidden Markov model of places in the bar and tempos.

A state is a place in the bar (P of them, equally far apart) and a tempo (K of them, seconds from one place to the next,
in equal ratios). Between two strikes the place moves on by d, and the tempo by a few steps. The path is exact but for
states far below the best, which are not followed.

Legend: n strikes; P places of the bar; K tempos; D farthest move; W farthest tempo step. All scores are natural logs.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

BEAM = 15.0
FAR = np.float32(-1e30)
_ON_THE_SPOT_S = 0.03  # mean distance of strikes in one place
_MOST_ON_THE_SPOT_S = 0.2


@njit(nogil=True, cache=True, error_model="numpy")
def best_path(gaps, emit, moves, start, place_s, tempo_prior, step_cost, noise_s, noise_share, stretch_cost):  # type: ignore[no-untyped-def]
    """Return (moves int32 [n], tempo indices int32 [n], place of the first strike, score).

    Args:
        gaps: float64 [n], seconds since the strike before; the first is not read.
        emit: float32 [n, P], how well a strike fits a place.
        moves: float32 [P, D + 1], moving on by d from a place.
        start: float32 [P], of the first strike.
        place_s: float64 [K], seconds from one place to the next.
        tempo_prior: float32 [K], of the first tempo.
        step_cost: float32 [n, W + 1], of changing the tempo by so many steps either way over a gap.
        noise_s: standard deviation of a strike's time.
        noise_share: and of a gap, as a share of it.
        stretch_cost: of a gap that follows no tempo, such as a hold or a breath.
    """
    n, P = emit.shape
    K, D, W = len(place_s), moves.shape[1] - 1, step_cost.shape[1] - 1
    score = np.empty((P, K), np.float32)
    after = np.empty((P, K), np.float32)
    back_d = np.zeros((n, P, K), np.int16)
    back_s = np.zeros((n, P, K), np.int8)
    for p in range(P):
        for s in range(K):
            score[p, s] = start[p] + tempo_prior[s] + emit[0, p]
    for i in range(1, n):
        gap = gaps[i]
        deviation = math.sqrt(noise_s * noise_s + noise_share * noise_share * gap * gap)
        norm = np.float32(-math.log(deviation))
        best, best_p, best_s = FAR, 0, 0
        for p in range(P):
            for s in range(K):
                after[p, s] = FAR
                if score[p, s] > best:
                    best, best_p, best_s = score[p, s], p, s
        floor = best - np.float32(BEAM)
        on_spot = np.float32(-gap / _ON_THE_SPOT_S - math.log(_ON_THE_SPOT_S))
        for p in range(P):
            for s in range(K):
                here = score[p, s]
                if here < floor:
                    continue
                if gap < _MOST_ON_THE_SPOT_S:
                    value = here + moves[p, 0] + on_spot
                    if value > after[p, s]:
                        after[p, s] = value
                        back_d[i, p, s] = 0
                        back_s[i, p, s] = 0
                for t in range(max(s - W, 0), min(s + W, K - 1) + 1):
                    step = abs(t - s)
                    unit = place_s[t]
                    low = max(math.ceil((gap - 3.0 * deviation) / unit), 1)
                    high = min(math.floor((gap + 3.0 * deviation) / unit), D)
                    for d in range(low, high + 1):
                        off = (gap - d * unit) / deviation
                        value = here + moves[p, d] + step_cost[i, step] + norm - np.float32(0.5 * off * off)
                        q = (p + d) % P
                        if value > after[q, t]:
                            after[q, t] = value
                            back_d[i, q, t] = d
                            back_s[i, q, t] = t - s
        cost = best - np.float32(stretch_cost) + norm
        for s in range(max(best_s - W, 0), min(best_s + W, K - 1) + 1):
            near = gap / place_s[s]
            for q in range(P):
                rest = (q - best_p) % P
                d = round((near - rest) / P) * P + rest
                if d < 1:
                    d += P
                value = cost - np.float32(abs(math.log(d / max(near, 0.1))))
                if d < 32000 and value > after[q, s]:
                    after[q, s] = value
                    back_d[i, q, s] = d
                    back_s[i, q, s] = s - best_s
        for p in range(P):
            for s in range(K):
                score[p, s] = after[p, s] + emit[i, p] if after[p, s] > FAR else FAR
    best, p, s = FAR, 0, 0
    for q in range(P):
        for t in range(K):
            if score[q, t] > best:
                best, p, s = score[q, t], q, t
    moved, tempo = np.zeros(n, np.int32), np.zeros(n, np.int32)
    for i in range(n - 1, 0, -1):
        moved[i], tempo[i] = back_d[i, p, s], s
        p, s = (p - moved[i]) % P, s - back_s[i, p, s]
    tempo[0] = s
    return moved, tempo, p, best
