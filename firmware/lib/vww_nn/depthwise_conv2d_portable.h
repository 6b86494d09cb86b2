// A row of depthwise outputs in C++, whatever the kernel and its dilation.
#ifndef VWW_NN_DEPTHWISE_CONV2D_PORTABLE_H_
#define VWW_NN_DEPTHWISE_CONV2D_PORTABLE_H_

#include "depthwise_conv2d_window.h"

namespace vww {
namespace {  // one file includes this: the compiler may inline what is called once

// A row of outputs, whatever the kernel and its dilation; `kernel_w` is 3 for three neighbouring columns, or 0.
template <int kernel_w>
inline void compute_row_plainly(const DepthwiseParams& p, const Window& window, const Channel& c,
                                const Scaling& scaling, int top, int8_t* to) {
  int32_t* const offsets = reinterpret_cast<int32_t*>(window.table);  // of the kernel's rows in the ring
  for (int ky = 0; ky < p.kernel_h; ++ky)
    offsets[ky] = static_cast<int32_t>(window.row(top + ky * p.dilation_h) - window.ring);
  const int16_t* from = window.ring;
  for (int x = 0; x < p.out_w; ++x, from += p.stride_w) {
    const int8_t* w = c.record + 8;
    int32_t acc = scaling.bias;
    for (int ky = 0; ky < p.kernel_h; ++ky) {
      const int16_t* const row = from + offsets[ky];
      if (kernel_w == 3) {
        acc += row[0] * w[0] + row[1] * w[1] + row[2] * w[2];
        w += 3;
      } else {
        for (int kx = 0; kx < p.kernel_w; ++kx) acc += row[kx * p.dilation_w] * *w++;
      }
    }
    to[x] = scaling.scale(acc, p.requant);
  }
}

}  // namespace
}  // namespace vww

#endif  // VWW_NN_DEPTHWISE_CONV2D_PORTABLE_H_
