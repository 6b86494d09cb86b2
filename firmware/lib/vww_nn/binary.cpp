// MUL, SUB, PRELU, and ADD with a constant or with broadcasting.
#include "binary.h"

#include "requant.h"

namespace vww {
namespace {

constexpr int kHeadroom = 20;  // the reference's left shift of both inputs of a sum

int32_t scale(int32_t x, int32_t multiplier, int shift) {
  return scale_by(x, static_cast<uint32_t>(multiplier) << 1, 32 + shift);
}

// Of two values less their zero points, without the output's.
int32_t combined(const BinaryParams& p, int32_t first, int32_t second) {
  if (p.function == BinaryFunction::kPrelu && first >= 0) return scale(first, p.input1_multiplier, p.input1_shift);
  if (p.function >= BinaryFunction::kMul) return scale(first * second, p.output_multiplier, p.output_shift);
  first = scale(first * (1 << kHeadroom), p.input1_multiplier, p.input1_shift);
  second = scale(second * (1 << kHeadroom), p.input2_multiplier, p.input2_shift);
  const int32_t total = p.function == BinaryFunction::kAdd   ? first + second
                        : p.function == BinaryFunction::kSub ? first - second
                                                             : second - first;
  return scale(total, p.output_multiplier, p.output_shift);
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
        const int32_t total = combined(p, a[x] - p.input1_zero_point, *b - p.input2_zero_point) + p.output_zero_point;
        to[x] = static_cast<int8_t>(clamp(total, p.clamp_min, p.clamp_max));
      }
    }
  }
}

void binary(const BinaryParams& p, const View& in1, const View& in2, const View& out, int row_begin, int row_end) {
  binary(p, in1, ConstView{in2.data, in2.channel_stride, in2.row_stride, in2.rows}, out, row_begin, row_end);
}

}  // namespace vww
