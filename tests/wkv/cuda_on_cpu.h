// Runs a CUDA kernel on the CPU, so that a test without a GPU can compare its results with the definition.
//
// Blocks run one after the other. The threads of a block are fibers of one system thread that change places at barriers
// and shuffles only, in an order that thread_order() picks: a missing barrier shows as a result that depends on it.
// Shared memory starts as NaN; an asynchronous copy happens at the wait for it and not before; a barrier that some
// threads skip ends the process. Only what wkv7*.cuh uses is here.
#pragma once
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <algorithm>
#include <functional>
#include <random>
#include <vector>

#define __device__
#define __global__ static
#define __launch_bounds__(...)
#define WKV7_SHARED(name) float *name = on_cpu::shared.data()
#define WKV7_LAUNCH(kernel, blocks, threads, bytes, stream, arguments) \
  on_cpu::launch([&] { kernel(arguments); }, blocks, threads, bytes)

struct Index {
  unsigned x;
};
static Index threadIdx, blockIdx, blockDim;

namespace on_cpu {

constexpr size_t kMostShared = 99 * 1024;  // of a block on sm_89, the least of the cards that matter
constexpr size_t kStack = 128 * 1024;

enum Wait { kNone, kWarp, kBlock, kDone };

struct Fiber {
  ucontext_t context;
  std::vector<char> stack = std::vector<char>(kStack);
  Wait wait = kNone;
  float shuffled = 0;
  std::vector<std::function<void()>> copies;
};

inline std::vector<float> shared;
inline std::vector<Fiber> fibers;
inline ucontext_t scheduler;
inline const std::function<void()> *body;
inline unsigned current = 0;
inline std::mt19937 order;

inline void fail(const char *what) {
  fprintf(stderr, "cuda_on_cpu: %s\n", what);
  abort();
}

inline void wait(Wait kind) {
  Fiber &fiber = fibers[current];
  fiber.wait = kind;
  swapcontext(&fiber.context, &scheduler);
}

inline void run() {
  (*body)();
  Fiber &fiber = fibers[current];
  if (!fiber.copies.empty()) fail("a thread ended without waiting for its copies");
  fiber.wait = kDone;
  swapcontext(&fiber.context, &scheduler);
}

inline bool release(unsigned begin, unsigned end, Wait kind) {
  unsigned n = 0, n_done = 0;
  for (unsigned i = begin; i < end; ++i) n += fibers[i].wait == kind, n_done += fibers[i].wait == kDone;
  if (n && n + n_done == end - begin && n_done) fail("some threads ended before a barrier of the others");
  if (n != end - begin) return false;
  for (unsigned i = begin; i < end; ++i) fibers[i].wait = kNone;
  return true;
}

inline void run_block() {
  const unsigned n = blockDim.x;
  for (unsigned i = 0; i < n; ++i) {
    Fiber &fiber = fibers[i];
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.data();
    fiber.context.uc_stack.ss_size = kStack;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, run, 0);
    fiber.wait = kNone;
  }
  std::vector<unsigned> turns(n);
  for (unsigned i = 0; i < n; ++i) turns[i] = i;
  for (unsigned n_done = 0; n_done < n;) {
    std::shuffle(turns.begin(), turns.end(), order);
    bool has_run = false;
    for (unsigned i : turns)
      if (fibers[i].wait == kNone) {
        current = threadIdx.x = i;
        swapcontext(&scheduler, &fibers[i].context);
        n_done += fibers[i].wait == kDone;
        has_run = true;
      }
    for (unsigned i = 0; i < n; i += 32) has_run |= release(i, i + 32, kWarp);
    has_run |= release(0, n, kBlock);
    if (!has_run) fail("threads wait for a barrier that the others never reach");
  }
}

inline int error = 0;

inline void launch(const std::function<void()> &kernel, int64_t blocks, unsigned threads, size_t bytes) {
  if (bytes > kMostShared || threads > 1024 || threads % 32 || blocks <= 0 || blocks > INT32_MAX) {
    error = 1;
    return;
  }
  body = &kernel;
  fibers.resize(threads);
  blockDim.x = threads;
  for (int64_t i = 0; i < blocks; ++i) {
    blockIdx.x = (unsigned)i;
    shared.assign(bytes / 4, NAN);
    run_block();
  }
}

}  // namespace on_cpu

extern "C" __attribute__((visibility("default"))) void thread_order(unsigned seed) { on_cpu::order.seed(seed); }

inline void __syncthreads() { on_cpu::wait(on_cpu::kBlock); }

inline float __shfl_xor_sync(unsigned, float x, unsigned lanes) {
  const unsigned me = on_cpu::current;
  on_cpu::fibers[me].shuffled = x;
  on_cpu::wait(on_cpu::kWarp);
  const float other = on_cpu::fibers[me ^ lanes].shuffled;
  on_cpu::wait(on_cpu::kWarp);
  return other;
}

inline void __pipeline_memcpy_async(void *to, const void *from, size_t bytes) {
  if ((uintptr_t)to % bytes || (uintptr_t)from % bytes) on_cpu::fail("a copy is not aligned");
  on_cpu::fibers[on_cpu::current].copies.push_back([=] { memcpy(to, from, bytes); });
}
inline void __pipeline_commit() {}
inline void __pipeline_wait_prior(int) {
  for (auto &copy : on_cpu::fibers[on_cpu::current].copies) copy();
  on_cpu::fibers[on_cpu::current].copies.clear();
}

struct __nv_bfloat16 {
  uint16_t bits;
};
inline float __bfloat162float(__nv_bfloat16 x) {
  const uint32_t bits = (uint32_t)x.bits << 16;
  float out;
  memcpy(&out, &bits, 4);
  return out;
}
inline __nv_bfloat16 __float2bfloat16_rn(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  if (isnan(x)) return {0x7fff};
  return {(uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
typedef _Float16 __half;
inline float __half2float(__half x) { return (float)x; }
inline __half __float2half_rn(float x) { return (__half)x; }

typedef int cudaError_t;
enum { cudaSuccess = 0, cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
template <typename Kernel>
inline cudaError_t cudaFuncSetAttribute(Kernel, int, int bytes) {
  return bytes > (int)on_cpu::kMostShared;
}
inline cudaError_t cudaGetLastError() {
  const int error = on_cpu::error;
  on_cpu::error = 0;
  return error;
}
inline const char *cudaGetErrorString(cudaError_t) { return "a block asks for more than the card has"; }
