// The WKV-7 recurrence and its gradient for CUDA: float32 inside, inputs in float32, bfloat16 or float16, head size 64.
//
//     S_t = S_{t-1} diag(w_t) + u_t b_t^T + v_t k_t^T      u_t = S_{t-1} a_t      y_t = S_t r_t      w_t = exp(log_decay_t)
//
// Legend: B batch, T steps, H heads, N = 64 head size; sequences are [B, T, H, N], states [.., N(value), N(key)].
//
// forward_kernel   walks the steps with the state in registers. The rows of S (values) never meet, so a head is spread
//                  over as many warps and blocks as it takes to fill the card. Keeps the state at the start of every 16
//                  steps and all u_t.
// chain_kernel     backward, the part that is a chain: G, the gradient of the state at the end of every 16 steps, and
//                  z_t, the gradient of u_t. Again the rows are spread over blocks.
// gradient_kernel  backward, all else: every 16 steps of every head are one block.
//
// Nothing is ever divided out of a state, which at the fastest decay would lose 4 digits in 16 steps: backward takes 16
// steps at once as matrix products over A_t = a_t P_{t-1}, R_t = r_t P_t, B_t = b_t / P_t, K_t = k_t / P_t, where P_t is
// the decay from their start up to and with step t (>= e^-16 for log_decay >= -1), G' = G diag(P of the 16 steps):
//
//     z_s = B_s G'^T + sum_{t>=s} (B_s.R_t) dy_t + sum_{t>s} (B_s.A_t) z_t                  last step first
//     G of the 16 steps before = G' + dY^T R + Z^T A
//     dA = Z S + [u_s.z_t] B + [v_s.z_t] K over s<t        dB = U G' + [u_s.z_t] A + [u_s.dy_t] R over t>s, t>=s
//     dR = dY S + [u_s.dy_t] B + [v_s.dy_t] K over s<=t    dK = V G' + [v_s.z_t] A + [v_s.dy_t] R
//     dlog_decay_t = colsum(S G at the end) + sum_{s>=t} (R dR - K dK - B dB)_s + sum_{s>t} (A dA)_s
//
// No header of PyTorch: this compiles in seconds, against any version, and on a CPU for the tests (WKV7_ON_CPU).
#include "wkv7_backward.cuh"
#include "wkv7_forward.cuh"

#ifdef _WIN32
#define WKV7_EXPORT extern "C" __declspec(dllexport)
#else
#define WKV7_EXPORT extern "C" __attribute__((visibility("default")))
#endif

namespace {

template <typename X>
int forward(int rows, int64_t B, int64_t T, int64_t H, const void *const *in, void *const *out, void *stream) {
  const Forward<X> p{(const X *)in[0], (const X *)in[2], (const X *)in[3], (const X *)in[4], (const X *)in[5],
                     (const float *)in[1], (const float *)in[6], (X *)out[0], (float *)out[1], (float *)out[2],
                     (float *)out[3], T, H};
  if (rows == 4) return launch_forward<X, 4, 2>(p, B * H, stream);
  if (rows == 2) return launch_forward<X, 2, 4>(p, B * H, stream);
  return launch_forward<X, 1, 4>(p, B * H, stream);
}

template <typename X>
int backward(int values, int64_t B, int64_t T, int64_t H, const void *const *in, void *const *out, void *stream) {
  const Backward<X> p{(const X *)in[0], (const X *)in[2], (const X *)in[3], (const X *)in[4], (const X *)in[5],
                      (const X *)in[6], (const float *)in[1], (const float *)in[7], (const float *)in[8],
                      (const float *)in[9], (X *)out[0], (X *)out[2], (X *)out[3], (X *)out[4],
                      (X *)out[5], (float *)out[1], (float *)out[6], (float *)out[7], (float *)out[8], T, H};
  const int error = values == N ? launch_chain<X, N>(p, B * H, stream) : launch_chain<X, 16>(p, B * H, stream);
  return error ? error : launch_gradients(p, B * H, stream);
}

}  // namespace

// in: r, log_decay, k, v, a, b, state or null; out: y, final_state, states or null, u or null. dtype of r, k, v, a, b and y:
// 0 float32, 1 bfloat16, 2 float16; all else is float32. rows of the state per thread: 4 for many heads, 2, 1 for few.
// Returns a cudaError_t, 0 for success.
WKV7_EXPORT int wkv7_forward(int dtype, int rows, int64_t B, int64_t T, int64_t H, const void *const *in,
                             void *const *out, void *stream) {
  if (dtype == 0) return forward<float>(rows, B, T, H, in, out, stream);
  if (dtype == 1) return forward<__nv_bfloat16>(rows, B, T, H, in, out, stream);
  return forward<__half>(rows, B, T, H, in, out, stream);
}

// in: r, log_decay, k, v, a, b, dy, states, u, dfinal or null; out: dr, dlog_decay, dk, dv, da, db, dstate and work
// memory G, z. values (rows of the state) per block of the chain: 64 for many heads, 16 for few.
WKV7_EXPORT int wkv7_backward(int dtype, int values, int64_t B, int64_t T, int64_t H, const void *const *in,
                              void *const *out, void *stream) {
  if (dtype == 0) return backward<float>(values, B, T, H, in, out, stream);
  if (dtype == 1) return backward<__nv_bfloat16>(values, B, T, H, in, out, stream);
  return backward<__half>(values, B, T, H, in, out, stream);
}

WKV7_EXPORT const char *wkv7_error(int error) { return cudaGetErrorString((cudaError_t)error); }
