// Layers whose weights have a zero point.
#ifndef VWW_NN_WIDE_CONV2D_H_
#define VWW_NN_WIDE_CONV2D_H_

#include "vww_nn.h"

namespace vww {

// A convolution in groups of group_in input and group_out output channels. Weights lie by output channel, row, column
// and input channel; there is one multiplier (Q31) and shift (TFLite's) for all channels.
struct WideConvParams {
  const int8_t* weights;
  const int32_t* biases;
  int32_t multiplier;
  int16_t in_h, in_w;
  int16_t group_in, group_out;
  int16_t out_w, out_c;
  int16_t kernel_h, kernel_w;
  int16_t stride_h, stride_w;
  int16_t dilation_h, dilation_w;
  int16_t pad_top, pad_left;
  int16_t input_zero_point, weight_zero_point, output_zero_point;
  int16_t clamp_min, clamp_max;
  int16_t shift;
  bool rounds_once;  // as vww::Requant has it
};

void wide_conv2d(const WideConvParams& p, const View& in, const View& out, int row_begin, int row_end);

}  // namespace vww

#endif  // VWW_NN_WIDE_CONV2D_H_
