// MUL, SUB, and ADD with a constant or with broadcasting.
#include "binary.h"

#include "requant.h"

namespace vww {
namespace {

constexpr int kHeadroom = 20;  // the reference's left shift of both inputs of a sum

int32_t scale(int32_t x, int32_t multiplier, int shift) {
  return scale_by(x, static_cast<uint32_t>(multiplier) << 1, 32 + shift);
}

}  // namespace

void binary(const BinaryParams& p, const View& in1, const ConstView& in2, const View& out, int row_begin, int row_end) {
  const int step = p.repeats_columns ? 0 : 1;
  for (int c = 0; c < p.channels; ++c) {
    for (int y = row_begin; y < row_end; ++y) {
      const int8_t* const a = row_of(in1, y) + c * in1.channel_stride;
      const int8_t* b = in2.data + (p.repeats_rows ? 0 : y % in2.rows) * in2.row_stride;
      if (!p.repeats_channels) b += c * in2.channel_stride;
      int8_t* const to = row_of(out, y) + c * out.channel_stride;
      for (int x = 0; x < p.w; ++x, b += step) {
        int32_t total = a[x] - p.input1_zero_point;
        const int32_t other = *b - p.input2_zero_point;
        if (p.function == BinaryFunction::kMul) {
          total *= other;
        } else {
          const int32_t second = scale(other * (1 << kHeadroom), p.input2_multiplier, p.input2_shift);
          total = scale(total * (1 << kHeadroom), p.input1_multiplier, p.input1_shift);
          total += p.function == BinaryFunction::kAdd ? second : -second;
        }
        total = scale(total, p.output_multiplier, p.output_shift) + p.output_zero_point;
        to[x] = static_cast<int8_t>(clamp(total, p.clamp_min, p.clamp_max));
      }
    }
  }
}

void binary(const BinaryParams& p, const View& in1, const View& in2, const View& out, int row_begin, int row_end) {
  binary(p, in1, ConstView{in2.data, in2.channel_stride, in2.row_stride, in2.rows}, out, row_begin, row_end);
}

}  // namespace vww
