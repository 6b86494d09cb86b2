// DEPTHWISE_CONV_2D.
#ifndef VWW_NN_DEPTHWISE_CONV2D_H_
#define VWW_NN_DEPTHWISE_CONV2D_H_

#include "vww_nn.h"

namespace vww {

// A depthwise convolution: output channel c reads input channel c / multiplier. Constants as packed by
// pack_depthwise.
struct DepthwiseParams {
  const int8_t* constants;
  Requant requant;
  int16_t in_h, in_w, in_c;
  int16_t out_h, out_w, multiplier;
  int16_t kernel_h, kernel_w;
  int16_t stride_h, stride_w;
  int16_t dilation_h, dilation_w;
  int16_t pad_top, pad_left;
  int16_t input_zero_point;
};

// In place is right with multiplier 1, all rows in one call and the output no larger than the input: out may then be
// the same memory with the same strides, or planes packed closer (out.channel_stride <= in.channel_stride,
// out.row_stride <= in.row_stride, same data).
void depthwise_conv2d(const DepthwiseParams& p, const View& in, const View& out, int row_begin, int row_end,
                      void* scratch);

}  // namespace vww

#endif  // VWW_NN_DEPTHWISE_CONV2D_H_
