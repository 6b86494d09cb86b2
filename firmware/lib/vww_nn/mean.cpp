// MEAN over height and width.
#include "mean.h"

#include "requant.h"
#include "sum.h"

namespace vww {

void mean(const MeanParams& p, const View& in, int8_t* out) {
  for (int c = 0; c < p.channels; ++c) {
    int32_t sum = -p.input_zero_point * p.h * p.w;
    for (int y = 0; y < p.h; ++y) sum = sum_of(row_of(in, y) + c * in.channel_stride, p.w, sum);
    const int32_t scaled = scale_by(sum, static_cast<uint32_t>(p.multiplier) << 1, 32 + p.shift);
    out[c] = static_cast<int8_t>(clamp(scaled + p.output_zero_point, -128, 127));
  }
}

}  // namespace vww
