// Layers whose weights have a zero point. Portable only: such models are old, and converting them again is faster.
#include "wide_conv2d.h"

#include "requant.h"

namespace vww {
namespace {

// The sum over one window; what lies outside of the input adds nothing.
int32_t window_sum(const WideConvParams& p, const View& in, const int8_t* weights, int channel, int top, int left) {
  int32_t sum = 0;
  for (int ky = 0; ky < p.kernel_h; ++ky) {
    const int y = top + ky * p.dilation_h;
    if (y < 0 || y >= p.in_h) continue;
    const int8_t* const row = row_of(in, y) + channel * in.channel_stride;
    for (int kx = 0; kx < p.kernel_w; ++kx) {
      const int x = left + kx * p.dilation_w;
      if (x < 0 || x >= p.in_w) continue;
      const int8_t* weight = weights + (ky * p.kernel_w + kx) * p.group_in;
      const int8_t* value = row + x;
      for (int c = 0; c < p.group_in; ++c, value += in.channel_stride)
        sum += (*weight++ - p.weight_zero_point) * (*value - p.input_zero_point);
    }
  }
  return sum;
}

}  // namespace

void wide_conv2d(const WideConvParams& p, const View& in, const View& out, int row_begin, int row_end) {
  const uint32_t multiplier = static_cast<uint32_t>(p.multiplier) << 1;
  const int taps = p.kernel_h * p.kernel_w * p.group_in;
  for (int c = 0; c < p.out_c; ++c) {
    const int8_t* const weights = p.weights + c * taps;
    const int channel = c / p.group_out * p.group_in;
    for (int y = row_begin; y < row_end; ++y) {
      int8_t* const to = row_of(out, y) + c * out.channel_stride;
      for (int x = 0; x < p.out_w; ++x) {
        const int32_t sum =
            p.biases[c] + window_sum(p, in, weights, channel, y * p.stride_h - p.pad_top, x * p.stride_w - p.pad_left);
        const int32_t scaled =
            p.rounds_once ? scale_once(sum, multiplier, 32 + p.shift) : scale_by(sum, multiplier, 32 + p.shift);
        to[x] = static_cast<int8_t>(clamp(scaled + p.output_zero_point, p.clamp_min, p.clamp_max));
      }
    }
  }
}

}  // namespace vww
