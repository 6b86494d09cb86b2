// MUL, SUB, PRELU, and ADD with a constant or with broadcasting.
#ifndef VWW_NN_BINARY_H_
#define VWW_NN_BINARY_H_

#include "vww_nn.h"

namespace vww {

// kReverse is the second less the first.
enum class BinaryFunction : uint8_t { kAdd, kSub, kReverse, kMul, kPrelu };

// Elements of two tensors combined; what repeats of the second is one row, column or channel. Multipliers are Q31,
// shifts TFLite's; a product needs the output's only, PRELU the
// first's for what is not negative.
struct BinaryParams {
  BinaryFunction function;
  bool repeats_rows, repeats_columns, repeats_channels;
  int16_t w, channels;
  int16_t input1_zero_point, input2_zero_point, output_zero_point;
  int16_t clamp_min, clamp_max;
  int32_t input1_multiplier, input2_multiplier, output_multiplier;
  int8_t input1_shift, input2_shift, output_shift;
};

// A constant operand, as a view.
struct ConstView {
  const int8_t* data;
  int32_t channel_stride;
  int32_t row_stride;
  int32_t rows;
};

// out may be the first input, and the second one where nothing of it repeats.
void binary(const BinaryParams& p, const View& in1, const ConstView& in2, const View& out, int row_begin, int row_end);
void binary(const BinaryParams& p, const View& in1, const View& in2, const View& out, int row_begin, int row_end);

}  // namespace vww

#endif  // VWW_NN_BINARY_H_
