// ADD of two tensors of one shape.
#include "requant.h"
#include "vww_nn.h"

namespace vww {
namespace {

constexpr int kHeadroom = 20;  // the reference's left shift of both inputs

}  // namespace

void add(const AddParams& p, const View& in1, const View& in2, const View& out, int row_begin, int row_end) {
  const uint32_t m1 = static_cast<uint32_t>(p.input1_multiplier) << 1, m2 = static_cast<uint32_t>(p.input2_multiplier)
                                                                            << 1;
  const uint32_t mo = static_cast<uint32_t>(p.output_multiplier) << 1;
  for (int c = 0; c < p.channels; ++c) {
    for (int y = row_begin; y < row_end; ++y) {
      const int8_t* a = row_of(in1, y) + c * in1.channel_stride;
      const int8_t* b = row_of(in2, y) + c * in2.channel_stride;
      int8_t* const to = row_of(out, y) + c * out.channel_stride;
      for (int x = 0; x < p.w; ++x) {
        const int32_t a_scaled = scale_by((a[x] + p.input1_offset) * (1 << kHeadroom), m1, 32 + p.input1_shift);
        const int32_t b_scaled = scale_by((b[x] + p.input2_offset) * (1 << kHeadroom), m2, 32 + p.input2_shift);
        const int32_t sum = scale_by(a_scaled + b_scaled, mo, 32 + p.output_shift) + p.output_offset;
        to[x] = static_cast<int8_t>(clamp(sum, p.clamp_min, p.clamp_max));
      }
    }
  }
}

}  // namespace vww
