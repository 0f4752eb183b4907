// The gradient: a chain of the state's gradient, then every 16 steps on their own. Legend and formulas: wkv7.cu.
#pragma once
#include "wkv7_common.cuh"

namespace {

template <typename X>
struct Backward {
  const X *r, *k, *v, *a, *b, *dy;
  const float *log_decay, *states, *u, *dfinal;  // dfinal: null for zeros
  X *dr, *dk, *dv, *da, *db;
  float *dlog_decay, *dstate, *G, *z;  // work memory: G [B, H, ceil(T / 16), N, N], z like u
  int64_t T, H;
};

// Turn P [17][N], w_t in row t + 1, into the decay from the start: 1 in row 0, P_t in row t + 1. Every thread takes part.
__device__ inline void multiply_decays(float *P) {
  __syncthreads();
  if (threadIdx.x < N) {
    float product = 1;
    for (int t = 0; t <= kSteps; ++t) {
      if (t) product *= P[t * N + threadIdx.x];
      P[t * N + threadIdx.x] = product;
    }
  }
  __syncthreads();
}

template <int kValues>
constexpr int kChainThreads = kValues == N ? 256 : 128;

template <typename X, int kValues>
constexpr int kChainBytes =
    4 * (33 * N + 48 * kPad + kValues * kPad + 32 * (kValues + 4) + 2 * 16 * 20) + 4 * kSteps * N * sizeof(X);

// One block: kValues rows of one head, last 16 steps first.
template <typename X, int kValues>
__global__ void __launch_bounds__(kChainThreads<kValues>) chain_kernel(const Backward<X> p) {
  constexpr int kThreads = kChainThreads<kValues>, kBlocks = N / kValues, kVPad = kValues + 4, kMStride = 20;
  constexpr int kGI = kValues * N / 4 / kThreads, kMI = 512 / kThreads, kZI = kSteps * kValues / kThreads;
  WKV7_SHARED(shared);
  float *P = shared, *AR = P + 17 * N, *Bs = AR + 32 * kPad, *G = Bs + 16 * kPad, *ZY = G + kValues * kPad;
  float *MA = ZY + 32 * kVPad, *MR = MA + 16 * kMStride, *next_decay = MR + 16 * kMStride;  // MA [t][s], MR [s][t]
  X *next = reinterpret_cast<X *>(next_decay + kSteps * N);                                 // a, r, b, dy as they come
  const int tid = threadIdx.x, value0 = blockIdx.x % kBlocks * kValues;
  const int64_t head = blockIdx.x / kBlocks, first = first_step(head, p.T, p.H), stride = p.H * N;
  const int64_t n_chunks = (p.T + kSteps - 1) / kSteps;
  const int gi = tid / 16 * kGI, gj = tid % 16 * 4;  // this thread's tile of G: rows gi .., keys gj ..
  const int mi = tid / 32 * kMI, mj = tid % 32;      // .. of M
  const int zi = tid / kValues * kZI, zv = tid % kValues;

  auto fetch_chunk = [&](int64_t chunk) {
    const int64_t begin = chunk * kSteps, at = first + begin * stride;
    const int n = (int)(p.T - begin < kSteps ? p.T - begin : kSteps);
    fetch(next_decay, p.log_decay + at, stride, n);
    fetch(next, p.a + at, stride, n);
    fetch(next + kSteps * N, p.r + at, stride, n);
    fetch(next + 2 * kSteps * N, p.b + at, stride, n);
    fetch(next + 3 * kSteps * N, p.dy + at, stride, n);
    __pipeline_commit();
  };

  float g[kGI][4];
#pragma unroll
  for (int i = 0; i < kGI; ++i)
#pragma unroll
    for (int e = 0; e < 4; ++e) g[i][e] = p.dfinal ? p.dfinal[(head * N + value0 + gi + i) * N + gj + e] : 0.0f;
  auto store_g = [&](float *target) {
#pragma unroll
    for (int i = 0; i < kGI; ++i)
      *reinterpret_cast<Floats<4> *>(target + (value0 + gi + i) * N + gj) =
          Floats<4>{{g[i][0], g[i][1], g[i][2], g[i][3]}};
  };

  fetch_chunk(n_chunks - 1);
  for (int64_t chunk = n_chunks - 1; chunk >= 0; --chunk) {
    const int64_t begin = chunk * kSteps, at = first + begin * stride;
    const int n = (int)(p.T - begin < kSteps ? p.T - begin : kSteps);
    store_g(p.G + (head * n_chunks + chunk) * N * N);
    __pipeline_wait_prior(0);
    __syncthreads();
    for (int i = tid; i < kSteps * N; i += kThreads) P[N + i] = i < n * N ? expf(next_decay[i]) : 1.0f;
    multiply_decays(P);
    for (int i = tid; i < kSteps * N; i += kThreads) {  // steps past the end hold zeros
      const int t = i / N, j = i % N;
      const bool is_step = t < n;
      AR[t * kPad + j] = is_step ? to_float(next[i]) * P[i] : 0.0f;
      AR[(kSteps + t) * kPad + j] = is_step ? to_float(next[kSteps * N + i]) * P[N + i] : 0.0f;
      Bs[t * kPad + j] = is_step ? to_float(next[2 * kSteps * N + i]) / P[N + i] : 0.0f;
      if (j >= value0 && j < value0 + kValues)
        ZY[(kSteps + t) * kVPad + j - value0] = is_step ? to_float(next[3 * kSteps * N + i]) : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < kGI; ++i)
#pragma unroll
      for (int e = 0; e < 4; ++e) G[(gi + i) * kPad + gj + e] = g[i][e] *= P[kSteps * N + gj + e];
    __syncthreads();
    if (chunk) fetch_chunk(chunk - 1);

    float m[kMI][1] = {};
    multiply<N>(m, Along<kMI, kPad>{Bs + mi * kPad}, Along<1, kPad>{AR + mj * kPad});
#pragma unroll
    for (int i = 0; i < kMI; ++i) {
      const int s = mi + i, t = mj % kSteps;
      if (mj < kSteps)
        MA[t * kMStride + s] = s < t ? m[i][0] : 0.0f;
      else
        MR[s * kMStride + t] = s <= t ? m[i][0] : 0.0f;
    }
    float z[kZI][1] = {};
    multiply<N>(z, Along<kZI, kPad>{Bs + zi * kPad}, Along<1, kPad>{G + zv * kPad});
    __syncthreads();
    multiply<kSteps>(z, Along<kZI, kMStride>{MR + zi * kMStride}, Across<1, kVPad>{ZY + kSteps * kVPad + zv});
#pragma unroll
    for (int i = 0; i < kZI; ++i) ZY[(zi + i) * kVPad + zv] = z[i][0];
    __syncthreads();
    if (tid < kValues) {  // every column of z is a triangular system of its own
      float column[kSteps];
#pragma unroll
      for (int s = 0; s < kSteps; ++s) column[s] = ZY[s * kVPad + tid];
#pragma unroll
      for (int t = kSteps - 1; t > 0; --t)
#pragma unroll
        for (int s = 0; s < t; s += 4) {
          const Floats<4> part = load<4>(MA + t * kMStride + s);
#pragma unroll
          for (int e = 0; e < 4; ++e)
            if (s + e < t) column[s + e] += part.x[e] * column[t];
        }
#pragma unroll
      for (int s = 0; s < kSteps; ++s) {
        ZY[s * kVPad + tid] = column[s];
        if (s < n) p.z[at + s * stride + value0 + tid] = column[s];
      }
    }
    __syncthreads();
    multiply<2 * kSteps>(g, Across<kGI, kVPad>{ZY + gi}, Across<4, kPad>{AR + gj});
  }
  store_g(p.dstate + head * N * N);
}

constexpr int kGradientThreads = 256;
constexpr int kGradientBytes = 4 * (17 * N + 4 * 32 * kPad + 2 * N * kPad + 48 * kMPad + 4 * N);

__device__ inline bool comes_before(int row, int column) {  // does step s write what step t reads?
  const int s = row % kSteps, t = column % kSteps;
  return column < kSteps ? s < t : s <= t;  // z_t belongs to u_t, which is read before b_t and k_t are written
}

// One block: 16 steps of one head.
template <typename X>
__global__ void __launch_bounds__(kGradientThreads, 2) gradient_kernel(const Backward<X> p) {
  WKV7_SHARED(shared);
  float *P = shared, *AR = P + 17 * N, *BK = AR + 32 * kPad, *UV = BK + 32 * kPad, *ZY = UV + 32 * kPad;
  float *S = ZY + 32 * kPad, *G = S + N * kPad, *D = G + N * kPad, *M = D + 32 * kMPad, *SG = M + 16 * kMPad;
  const int tid = threadIdx.x;
  const int64_t n_chunks = (p.T + kSteps - 1) / kSteps, head = blockIdx.x / n_chunks, chunk = blockIdx.x % n_chunks;
  const int64_t stride = p.H * N, begin = chunk * kSteps, at = first_step(head, p.T, p.H) + begin * stride;
  const int n = (int)(p.T - begin < kSteps ? p.T - begin : kSteps);

  for (int i = tid; i < kSteps * N; i += kGradientThreads)
    P[N + i] = i < n * N ? expf(p.log_decay[at + i / N * stride + i % N]) : 1.0f;
  multiply_decays(P);
  for (int i = tid; i < kSteps * N; i += kGradientThreads) {
    const int t = i / N, j = i % N, above = t * kPad + j, below = above + kSteps * kPad;
    const bool is_step = t < n;
    const int64_t here = at + t * stride + j;
    AR[above] = is_step ? to_float(p.a[here]) * P[i] : 0.0f;
    AR[below] = is_step ? to_float(p.r[here]) * P[N + i] : 0.0f;
    BK[above] = is_step ? to_float(p.b[here]) / P[N + i] : 0.0f;
    BK[below] = is_step ? to_float(p.k[here]) / P[N + i] : 0.0f;
    UV[above] = is_step ? p.u[here] : 0.0f;
    UV[below] = is_step ? to_float(p.v[here]) : 0.0f;
    ZY[above] = is_step ? p.z[here] : 0.0f;
    ZY[below] = is_step ? to_float(p.dy[here]) : 0.0f;
  }
  const float *states = p.states + (head * (n_chunks + 1) + chunk) * N * N;  // at the start and, next to it, the end
  float sum = 0;
  for (int i = tid; i < N * N; i += kGradientThreads) {  // always the same key for a thread
    const float gradient = p.G[(head * n_chunks + chunk) * N * N + i];
    sum += gradient * states[N * N + i];
    G[i / N * kPad + i % N] = gradient * P[kSteps * N + i % N];
    S[i / N * kPad + i % N] = states[i];
  }
  SG[tid] = sum;
  __syncthreads();

  {
    const int i = tid / 16 * 2, j = tid % 16;
    float d[2][2] = {};
    multiply<N>(d, Along<2, kPad>{UV + i * kPad}, Along<2, 16 * kPad>{ZY + j * kPad});
#pragma unroll
    for (int h = 0; h < 4; ++h) {
      const int row = i + h / 2, column = j + h % 2 * 16;
      D[row * kMPad + column] = comes_before(row, column) ? d[h / 2][h % 2] : 0.0f;
    }
  }
  {
    const int i = tid / 32 * 2, j = tid % 32;
    float m[2][1] = {};
    multiply<N>(m, Along<2, kPad>{BK + (kSteps + i) * kPad}, Along<1, kPad>{AR + j * kPad});
#pragma unroll
    for (int h = 0; h < 2; ++h) M[(i + h) * kMPad + j] = comes_before(i + h, j) ? m[h][0] : 0.0f;
  }
  __syncthreads();

  const bool is_reader = tid < kGradientThreads / 2;  // half of the threads make dA, dR, the others dB, dK
  const int row = tid % 128 / 16 * 4, key = tid % 16 * 4;
  float d[4][4] = {};
  if (is_reader) {
    multiply<N>(d, Along<4, kPad>{ZY + row * kPad}, Across<4, kPad>{S + key});
    multiply<2 * kSteps>(d, Across<4, kMPad>{D + row}, Across<4, kPad>{BK + key});
  } else {
    multiply<N>(d, Along<4, kPad>{UV + row * kPad}, Across<4, kPad>{G + key});
    multiply<2 * kSteps>(d, Along<4, kMPad>{D + row * kMPad}, Across<4, kPad>{AR + key});
  }
  float dv[4][1] = {};
  const int v_step = tid / N * 4, value = tid % N;
  multiply<N>(dv, Along<4, kPad>{BK + (kSteps + v_step) * kPad}, Along<1, kPad>{G + value * kPad});
  multiply<2 * kSteps>(dv, Along<4, kMPad>{M + v_step * kMPad}, Across<1, kPad>{ZY + value});
#pragma unroll
  for (int i = 0; i < 4; ++i)
    if (v_step + i < n) put(p.dv + at + (v_step + i) * stride + value, dv[i][0]);
  __syncthreads();  // S is free now: A dA, R dR, B dB, K dK go there

  const bool is_first = row < kSteps;  // of the pairs (A, R) and (B, K)
  X *target = is_reader ? (is_first ? p.da : p.dr) : (is_first ? p.db : p.dk);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int t = (row + i) % kSteps;
    const Floats<4> factor = load<4>((is_reader ? AR : BK) + (row + i) * kPad + key);
    const Floats<4> decay = load<4>(P + (is_reader && is_first ? t : t + 1) * N + key);
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      S[((is_reader ? 0 : 32) + row + i) * kPad + key + e] = factor.x[e] * d[i][e];
      const float gradient = is_reader ? d[i][e] * decay.x[e] : d[i][e] / decay.x[e];
      if (t < n) put(target + at + t * stride + key + e, gradient);
    }
  }
  __syncthreads();
  if (tid < N) {
    float run = SG[tid] + SG[N + tid] + SG[2 * N + tid] + SG[3 * N + tid];
    for (int t = n - 1; t >= 0; --t) {
      const float *here = S + t * kPad + tid;
      run += here[16 * kPad] - here[32 * kPad] - here[48 * kPad];
      p.dlog_decay[at + t * stride + tid] = run;
      run += here[0];
    }
  }
}

template <typename X, int kValues>
int launch_chain(const Backward<X> &p, int64_t n_heads, void *stream) {
  const auto kernel = chain_kernel<X, kValues>;
  constexpr int kBytes = kChainBytes<X, kValues>;
  const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes);
  if (error != cudaSuccess) return (int)error;
  WKV7_LAUNCH(kernel, n_heads * (N / kValues), kChainThreads<kValues>, kBytes, stream, p);
  return (int)cudaGetLastError();
}

template <typename X>
int launch_gradients(const Backward<X> &p, int64_t n_heads, void *stream) {
  const auto kernel = gradient_kernel<X>;
  const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kGradientBytes);
  if (error != cudaSuccess) return (int)error;
  WKV7_LAUNCH(kernel, n_heads * ((p.T + kSteps - 1) / kSteps), kGradientThreads, kGradientBytes, stream, p);
  return (int)cudaGetLastError();
}

}  // namespace
