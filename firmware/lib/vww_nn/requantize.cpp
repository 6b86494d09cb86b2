// QUANTIZE between two int8 tensors.
#include "requantize.h"

#include "requant.h"

namespace vww {

void requantize(const RequantizeParams& p, const View& in, const View& out, int row_begin, int row_end) {
  const uint32_t multiplier = static_cast<uint32_t>(p.multiplier) << 1;
  for (int c = 0; c < p.channels; ++c) {
    for (int y = row_begin; y < row_end; ++y) {
      const int8_t* from = row_of(in, y) + c * in.channel_stride;
      int8_t* const to = row_of(out, y) + c * out.channel_stride;
      for (int x = 0; x < p.w; ++x) {
        const int32_t scaled = scale_by(from[x] - p.input_zero_point, multiplier, 32 + p.shift);
        to[x] = static_cast<int8_t>(clamp(scaled + p.output_zero_point, -128, 127));
      }
    }
  }
}

}  // namespace vww
