// A row of depthwise outputs with the DSP extension's multiplications of pairs, for kernels without gaps.
#ifndef VWW_NN_DEPTHWISE_CONV2D_DSP_H_
#define VWW_NN_DEPTHWISE_CONV2D_DSP_H_

#include "depthwise_conv2d_window.h"

namespace vww {
namespace {  // one file includes this: the compiler may inline what is called once

#if defined(__ARM_FEATURE_DSP)

// For each kernel row its weights as pairs, beside them the same one column later: (w0, w1), (0, w0), (w2, w3), (w1,
// w2), ...
inline void fill_table(const DepthwiseParams& p, const int8_t* w, const Window& window) {
  uint32_t* to = window.table;
  for (int ky = 0; ky < p.kernel_h; ++ky) {
    uint32_t before = 0;
    int left = p.kernel_w;
    for (int k = 0; k < window.pairs; ++k, left -= 2) {
      const uint32_t first = left > 0 ? static_cast<uint16_t>(*w++) : 0,
                     second = left > 1 ? static_cast<uint16_t>(*w++) : 0;
      *to++ = first | second << 16;
      *to++ = before | first << 16;
      before = second;
    }
  }
}

// Four neighbouring accumulators. rows are the kernel rows' words, the first accumulator's window begins at `column`.
template <int stride>
inline void accumulate(const uint32_t* w, int pairs, const uint32_t* const* rows, int kernel_h, int column,
                       int32_t (&acc)[4]) {
  for (const uint32_t* const* const end = rows + kernel_h; rows != end; ++rows) {
    const uint32_t* x = *rows + column;
    const uint32_t* const w_end = w + 2 * pairs;
    if (stride == 1) {
      uint32_t a = *x++;
      do {
        const uint32_t even = w[0], odd = w[1], b = *x++;
        acc[0] = smlad(a, even, acc[0]);
        acc[1] = smlad(a, odd, acc[1]);
        acc[2] = smlad(b, even, acc[2]);
        acc[3] = smlad(b, odd, acc[3]);
        a = b;
      } while ((w += 2) != w_end);
    } else {
      uint32_t a = x[0], b = x[1], c = x[2];
      x += 3;
      do {
        const uint32_t even = w[0], d = *x++;
        acc[0] = smlad(a, even, acc[0]);
        acc[1] = smlad(b, even, acc[1]);
        acc[2] = smlad(c, even, acc[2]);
        acc[3] = smlad(d, even, acc[3]);
        a = b;
        b = c;
        c = d;
      } while ((w += 2) != w_end);
    }
  }
}

constexpr int kMostKernelRows = 7;

inline bool is_wide(const DepthwiseParams& p) {
  return p.dilation_w == 1 && p.stride_w <= 2 && p.kernel_h <= kMostKernelRows;
}

// A row of outputs.
__attribute__((noinline)) inline void compute_row(const DepthwiseParams& p, const Window& window, const Channel& c,
                                                  int top, int8_t* to) {
  const uint32_t* rows[kMostKernelRows];
  for (int ky = 0; ky < p.kernel_h; ++ky)
    rows[ky] = reinterpret_cast<const uint32_t*>(window.row(top + ky * p.dilation_h));
  const Scaling scaling(p, c.record);
  for (int x = 0; x < p.out_w; x += 4) {
    int32_t acc[4] = {scaling.bias, scaling.bias, scaling.bias, scaling.bias};
    if (p.stride_w == 1) {
      accumulate<1>(window.table, window.pairs, rows, p.kernel_h, x / 2, acc);
    } else {
      accumulate<2>(window.table, window.pairs, rows, p.kernel_h, x, acc);
    }
    const int count = p.out_w - x < 4 ? p.out_w - x : 4;
    for (int i = 0; i < count; ++i) to[x + i] = scaling.scale(acc[i], p.requant);
  }
}

#endif

}  // namespace
}  // namespace vww

#endif  // VWW_NN_DEPTHWISE_CONV2D_DSP_H_
