// QUANTIZE between two int8 tensors.
#ifndef VWW_NN_REQUANTIZE_H_
#define VWW_NN_REQUANTIZE_H_

#include "vww_nn.h"

namespace vww {

// int8 to int8 with other scale and zero point (QUANTIZE between two int8 tensors): multiplier Q31, shift TFLite's.
struct RequantizeParams {
  int16_t h, w, channels;
  int16_t input_zero_point, output_zero_point;
  int32_t multiplier;
  int32_t shift;
};

// out may be the input.
void requantize(const RequantizeParams& p, const View& in, const View& out, int row_begin, int row_end);

}  // namespace vww

#endif  // VWW_NN_REQUANTIZE_H_
