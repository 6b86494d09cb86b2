// A depthwise channel, its scaling, and the rows that its window needs: padded, widened to int16, in a ring.
#ifndef VWW_NN_DEPTHWISE_CONV2D_WINDOW_H_
#define VWW_NN_DEPTHWISE_CONV2D_WINDOW_H_

#include "depthwise_conv2d.h"
#include "dsp.h"
#include "requant.h"

namespace vww {
namespace {  // one file includes this: the compiler may inline what is called once

// One output channel: its constants and its planes.
struct Channel {
  const int8_t* record;
  const int8_t* in;  // of row 0
  int8_t* out;
};

// How a channel's sums, which begin with `bias`, are scaled.
struct Scaling {
  int32_t bias, offset, multiplier;
  int exponent;

  Scaling(const DepthwiseParams& p, const int8_t* record)
      : bias(load_int32(record)),
        offset(0),
        multiplier(load_int32(record + 4)),
        exponent(record[8 + p.kernel_h * p.kernel_w]) {
    if (exponent != 0) return;
    offset = bias;
    bias = 0;
  }

  int8_t scale(int32_t sum, const Requant& r) const {
    return exponent == 0 ? requantize_fused(sum * 256 + offset, multiplier, r)
                         : requantize(sum, {multiplier, exponent}, r);
  }
};

// Rows of the window in a ring, padded and widened; before them the weights as pairs and the rows' addresses.
struct Window {
  int pairs;        // words of weights for each kernel row and parity of the first column
  int width;        // int16 in a row
  int span;         // rows
  uint32_t* table;  // kernel_h * pairs * 2 words
  int16_t* ring;

  Window(const DepthwiseParams& p, void* scratch)
      : pairs(p.kernel_w / 2 + 1), span((p.kernel_h - 1) * p.dilation_h + 1), table(static_cast<uint32_t*>(scratch)) {
    // Outputs are computed four at a time: the last ones may read beyond what they need.
    const int columns = (p.out_w + 3) / 4 * 4;
    const int reach = (columns - 1) * p.stride_w + (p.kernel_w - 1) * p.dilation_w + 2;
    width = (reach + 1) / 2 * 2;
    ring = reinterpret_cast<int16_t*>(table + p.kernel_h * pairs * 2);
  }

  int16_t* row(int row_with_padding) const { return ring + row_with_padding % span * width; }
};

// Copies input row iy, padded, to `width` int16; rows outside the input are all zero point.
__attribute__((noinline)) inline void copy_row(const DepthwiseParams& p, const View& in, const Channel& c, int iy,
                                               int16_t* to, int width) {
  const int16_t zero = p.input_zero_point;
  const int16_t* const end = to + width;
  if (iy >= 0 && iy < p.in_h) {
    const int8_t* from = c.in + (row_of(in, iy) - in.data);
    for (int i = 0; i < p.pad_left; ++i) *to++ = zero;
    const int inside = p.in_w < end - to ? p.in_w : static_cast<int>(end - to);
    const int8_t* const stop = from + inside;
#if defined(__ARM_FEATURE_DSP)
    for (; from + 4 <= stop; from += 4, to += 4) {
      const uint32_t word = load_word(from);
      const uint32_t even = sxtb16(word), odd = sxtb16_odd(word);
      const uint32_t low = pack_low(even, odd), high = pack_high(even, odd);
      memcpy(to, &low, 4);
      memcpy(to + 2, &high, 4);
    }
#endif
    while (from != stop) *to++ = *from++;
  }
  while (to != end) *to++ = zero;
}

}  // namespace
}  // namespace vww

#endif  // VWW_NN_DEPTHWISE_CONV2D_WINDOW_H_
