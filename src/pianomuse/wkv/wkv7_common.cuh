// What wkv7_forward.cuh and wkv7_backward.cuh share. Legend and formulas: wkv7.cu.
#pragma once
#include <stdint.h>

#ifdef WKV7_ON_CPU
#include WKV7_ON_CPU  // the tests' stand-in for the headers below
#else
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_pipeline.h>
#include <cuda_runtime.h>
#define WKV7_LAUNCH(kernel, blocks, threads, bytes, stream, arguments) \
  kernel<<<(unsigned)(blocks), threads, bytes, (cudaStream_t)stream>>>(arguments)
#define WKV7_SHARED(name) extern __shared__ __align__(16) float name[]
#endif

namespace {

constexpr int N = 64;       // head size
constexpr int kSteps = 16;  // a state is kept every so many steps
constexpr int kPad = N + 4;  // row length in shared memory: rows under each other start 4 banks apart
constexpr int kMPad = 2 * kSteps + 4;

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ inline float to_float(__half x) { return __half2float(x); }
__device__ inline void put(float *at, float x) { *at = x; }
__device__ inline void put(__nv_bfloat16 *at, float x) { *at = __float2bfloat16_rn(x); }
__device__ inline void put(__half *at, float x) { *at = __float2half_rn(x); }

template <int kCount>
struct alignas(4 * kCount) Floats {
  float x[kCount];
};

template <int kCount>
__device__ inline Floats<kCount> load(const float *at) {
  return *reinterpret_cast<const Floats<kCount> *>(at);
}

// Where a head's first step lies in a sequence, and how far its steps are apart.
__device__ inline int64_t first_step(int64_t head, int64_t T, int64_t H) { return (head / H * T * H + head % H) * N; }

// Begin to copy n_steps rows of N to shared memory; __pipeline_wait_prior(0) and a barrier end it.
template <typename Y>
__device__ inline void fetch(Y *target, const Y *source, int64_t stride, int n_steps) {
  constexpr int kPieces = N * sizeof(Y) / 16;
  for (int i = threadIdx.x; i < n_steps * kPieces; i += blockDim.x) {
    const char *from = reinterpret_cast<const char *>(source + i / kPieces * stride) + i % kPieces * 16;
    __pipeline_memcpy_async(reinterpret_cast<char *>(target) + i * 16, from, 16);
  }
}

// Two ways to read 4 numbers q .. q + 3 of each of kCount rows of a factor, all but the first row's place fixed at compile
// time. Along: q runs along rows that lie kStride apart. Across: q numbers the rows, the kCount lie side by side.
template <int kCount, int kStride>
struct Along {
  const float *at;
  __device__ void read(int q, float (&out)[kCount][4]) const {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const Floats<4> part = load<4>(at + i * kStride + q);
#pragma unroll
      for (int e = 0; e < 4; ++e) out[i][e] = part.x[e];
    }
  }
};

template <int kCount, int kStride>
struct Across {
  const float *at;
  __device__ void read(int q, float (&out)[kCount][4]) const {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const Floats<kCount> part = load<kCount>(at + (q + e) * kStride);
#pragma unroll
      for (int i = 0; i < kCount; ++i) out[i][e] = part.x[i];
    }
  }
};

// sums[i][j] += sum over q < kQ of x(i, q) z(j, q)
template <int kQ, int kI, int kJ, typename Left, typename Right>
__device__ inline void multiply(float (&sums)[kI][kJ], Left x, Right z) {
#pragma unroll 2
  for (int q = 0; q < kQ; q += 4) {
    float left[kI][4], right[kJ][4];
    x.read(q, left);
    z.read(q, right);
#pragma unroll
    for (int e = 0; e < 4; ++e)
#pragma unroll
      for (int i = 0; i < kI; ++i)
#pragma unroll
        for (int j = 0; j < kJ; ++j) sums[i][j] += left[i][e] * right[j][e];
  }
}

}  // namespace
