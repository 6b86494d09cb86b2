// DEPTHWISE_CONV_2D, channel by channel.
//
// Constants, for each output channel and without gaps: the bias with the input's zero point folded in (int32), twice
// the Q31 multiplier (a word), the weights (kernel_h * kernel_w bytes), 32 + TFLite's shift (a byte).
#include "requant.h"
#include "vww_nn.h"

namespace vww {
namespace {

// Copies input row iy of one plane to a padded int16 row; rows outside the input are all zero point.
void widen_row(const DepthwiseParams& p, const View& in, int channel, int iy, int16_t* to, int width) {
  for (int i = 0; i < width; ++i) to[i] = p.input_zero_point;
  if (iy < 0 || iy >= p.in_h) return;
  const int8_t* from = row_of(in, iy) + channel * in.channel_stride;
  for (int x = 0; x < p.in_w && x + p.pad_left < width; ++x) to[x + p.pad_left] = from[x];
}

}  // namespace

void depthwise_conv2d(const DepthwiseParams& p, const View& in, const View& out, int row_begin, int row_end,
                      void* scratch) {
  // The window's rows of one plane, padded and widened, in a ring: what in-place output overwrites was copied before.
  int16_t* const ring = static_cast<int16_t*>(scratch);
  const int span = (p.kernel_h - 1) * p.dilation_h + 1;
  const int reach = (p.out_w - 1) * p.stride_w + (p.kernel_w - 1) * p.dilation_w + 1;
  const int width = (reach + 1) / 2 * 2;
  const int channels = p.in_c * p.multiplier;
  const int taps = p.kernel_h * p.kernel_w;
  for (int c = 0; c < channels; ++c) {
    const int8_t* const record = p.constants + c * (taps + 9);
    const int8_t* const w = record + 8;
    const ChannelScale scale{load_int32(record + 4), w[taps]};
    int next = row_begin * p.stride_h - p.pad_top;  // the next input row to copy
    for (int y = row_begin; y < row_end; ++y) {
      const int top = y * p.stride_h - p.pad_top;
      if (next < top) next = top;
      for (; next < top + span; ++next)
        widen_row(p, in, c / p.multiplier, next, ring + (next + p.pad_top) % span * width, width);
      int8_t* const to = row_of(out, y) + c * out.channel_stride;
      for (int x = 0; x < p.out_w; ++x) {
        int32_t acc = load_int32(record);
        for (int ky = 0; ky < p.kernel_h; ++ky) {
          const int16_t* row = ring + (top + ky * p.dilation_h + p.pad_top) % span * width + x * p.stride_w;
          for (int kx = 0; kx < p.kernel_w; ++kx) acc += row[kx * p.dilation_w] * w[ky * p.kernel_w + kx];
        }
        to[x] = requantize<RequantKind::kGeneric>(acc, scale, p.requant);
      }
    }
  }
}

}  // namespace vww
