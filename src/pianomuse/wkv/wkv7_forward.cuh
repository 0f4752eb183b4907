// The forward kernel: the steps one after the other, the state in registers. Legend and formulas: wkv7.cu.
#pragma once
#include "wkv7_common.cuh"

namespace {

template <typename X>
struct Forward {
  const X *r, *k, *v, *a, *b;
  const float *log_decay, *state;  // state: before the first step; null for zeros
  X *y;
  float *final_state, *states, *u;  // states [B, H, ceil(T / 16) + 1, N, N], the last one too, and u: null if not kept
  int64_t T, H;
};

__device__ inline float sum_of_4_lanes(float x) {
  x += __shfl_xor_sync(0xffffffffu, x, 1);
  return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

constexpr int kTile = 8;  // steps in shared memory at once

template <typename X>
constexpr int kForwardBytes = kTile * N * (7 * sizeof(float) + 5 * sizeof(X));

// Four lanes share a row of the state: lane q has the keys 16 c + 4 q .. + 3 for c = 0..3, and kRows rows of them.
// (Without the bound on registers for 4 rows the compiler takes it lower and spills.)
template <typename X, int kRows, int kWarps>
__global__ void __launch_bounds__(32 * kWarps, kRows == 4 ? 6 : 1) forward_kernel(const Forward<X> p) {
  constexpr int kBlockRows = 8 * kRows * kWarps, kBlocks = N / kBlockRows;
  WKV7_SHARED(shared);
  float *r = shared, *w = r + kTile * N, *k = w + kTile * N, *v = k + kTile * N, *a = v + kTile * N, *b = a + kTile * N;
  float *next_decay = b + kTile * N;
  X *next = reinterpret_cast<X *>(next_decay + kTile * N);  // r, k, v, a, b as they come
  const int q = threadIdx.x % 4;
  const int row = blockIdx.x % kBlocks * kBlockRows + threadIdx.x / 32 * (8 * kRows) + threadIdx.x % 32 / 4;  // + 8 i
  const int64_t head = blockIdx.x / kBlocks, first = first_step(head, p.T, p.H), stride = p.H * N;
  const int64_t n_states = (p.T + kSteps - 1) / kSteps + 1;

  auto fetch_tile = [&](int64_t begin) {
    const int n = (int)(p.T - begin < kTile ? p.T - begin : kTile);
    const int64_t at = first + begin * stride;
    fetch(next_decay, p.log_decay + at, stride, n);
    fetch(next, p.r + at, stride, n);
    fetch(next + kTile * N, p.k + at, stride, n);
    fetch(next + 2 * kTile * N, p.v + at, stride, n);
    fetch(next + 3 * kTile * N, p.a + at, stride, n);
    fetch(next + 4 * kTile * N, p.b + at, stride, n);
    __pipeline_commit();
  };

  float S[kRows][16];
#pragma unroll
  for (int i = 0; i < kRows; ++i)
#pragma unroll
    for (int c = 0; c < 16; c += 4) {
      const Floats<4> part =
          p.state ? load<4>(p.state + (head * N + row + 8 * i) * N + 4 * c + 4 * q) : Floats<4>{{0, 0, 0, 0}};
#pragma unroll
      for (int e = 0; e < 4; ++e) S[i][c + e] = part.x[e];
    }
  auto store_state = [&](float *state) {
#pragma unroll
    for (int i = 0; i < kRows; ++i)
#pragma unroll
      for (int c = 0; c < 16; c += 4)
        *reinterpret_cast<Floats<4> *>(state + (row + 8 * i) * N + 4 * c + 4 * q) =
            Floats<4>{{S[i][c], S[i][c + 1], S[i][c + 2], S[i][c + 3]}};
  };

  fetch_tile(0);
  for (int64_t begin = 0; begin < p.T; begin += kTile) {
    const int n = (int)(p.T - begin < kTile ? p.T - begin : kTile);
    __pipeline_wait_prior(0);
    __syncthreads();
    for (int i = threadIdx.x; i < n * N; i += blockDim.x) {
      w[i] = expf(next_decay[i]);
      r[i] = to_float(next[i]);
      k[i] = to_float(next[kTile * N + i]);
      v[i] = to_float(next[2 * kTile * N + i]);
      a[i] = to_float(next[3 * kTile * N + i]);
      b[i] = to_float(next[4 * kTile * N + i]);
    }
    __syncthreads();
    if (begin + kTile < p.T) fetch_tile(begin + kTile);
    if (p.states && begin % kSteps == 0) store_state(p.states + (head * n_states + begin / kSteps) * N * N);

    float u[kRows] = {};
#pragma unroll
    for (int c = 0; c < 16; c += 4) {
      const Floats<4> a_now = load<4>(a + 4 * c + 4 * q);
#pragma unroll
      for (int i = 0; i < kRows; ++i)
#pragma unroll
        for (int e = 0; e < 4; ++e) u[i] += S[i][c + e] * a_now.x[e];
    }
#pragma unroll
    for (int i = 0; i < kRows; ++i) u[i] = sum_of_4_lanes(u[i]);

    for (int t = 0; t < n; ++t) {
      const int here = t * N + 4 * q, later = (t + 1 < n ? t + 1 : t) * N + 4 * q;
      float y[kRows] = {}, u_next[kRows] = {}, v_now[kRows];
#pragma unroll
      for (int i = 0; i < kRows; ++i) v_now[i] = v[t * N + row + 8 * i];
#pragma unroll
      for (int c = 0; c < 16; c += 4) {
        const Floats<4> w_now = load<4>(w + here + 4 * c), k_now = load<4>(k + here + 4 * c);
        const Floats<4> b_now = load<4>(b + here + 4 * c), r_now = load<4>(r + here + 4 * c);
        const Floats<4> a_next = load<4>(a + later + 4 * c);
#pragma unroll
        for (int i = 0; i < kRows; ++i)
#pragma unroll
          for (int e = 0; e < 4; ++e) {
            float &s = S[i][c + e];
            s = s * w_now.x[e] + u[i] * b_now.x[e] + v_now[i] * k_now.x[e];
            y[i] += s * r_now.x[e];
            u_next[i] += s * a_next.x[e];
          }
      }
      float y_mine = 0, u_mine = 0;  // lane q writes its group's row q
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
        y[i] = sum_of_4_lanes(y[i]);
        u_next[i] = sum_of_4_lanes(u_next[i]);
        if (q == i) y_mine = y[i], u_mine = u[i];
        u[i] = u_next[i];
      }
      if (q < kRows) {
        const int64_t at = first + (begin + t) * stride + row + 8 * q;
        put(p.y + at, y_mine);
        if (p.u) p.u[at] = u_mine;
      }
    }
  }
  store_state(p.final_state + head * N * N);
  if (p.states) store_state(p.states + (head * n_states + n_states - 1) * N * N);
}

template <typename X, int kRows, int kWarps>
int launch_forward(const Forward<X> &p, int64_t n_heads, void *stream) {
  const auto kernel = forward_kernel<X, kRows, kWarps>;
  WKV7_LAUNCH(kernel, n_heads * (N / (8 * kRows * kWarps)), 32 * kWarps, kForwardBytes<X>, stream, p);
  return (int)cudaGetLastError();
}

}  // namespace
