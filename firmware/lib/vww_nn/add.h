// ADD of two tensors of one shape.
#ifndef VWW_NN_ADD_H_
#define VWW_NN_ADD_H_

#include "vww_nn.h"

namespace vww {

// Elementwise sum of two tensors of one shape. Offsets are minus the zero points of the inputs; multipliers are Q31,
// shifts TFLite's (<= 0).
struct AddParams {
  int16_t h, w, channels;
  int16_t input1_offset, input2_offset, output_offset;
  int16_t clamp_min, clamp_max;
  int32_t input1_multiplier, input2_multiplier, output_multiplier;
  int8_t input1_shift, input2_shift, output_shift;
};

// out may be either input.
void add(const AddParams& p, const View& in1, const View& in2, const View& out, int row_begin, int row_end);

}  // namespace vww

#endif  // VWW_NN_ADD_H_
