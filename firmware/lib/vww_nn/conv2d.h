// CONV_2D and FULLY_CONNECTED.
#ifndef VWW_NN_CONV2D_H_
#define VWW_NN_CONV2D_H_

#include "vww_nn.h"

namespace vww {

// A 2-D convolution. Constants (weights, biases, scales; aligned to 4) as packed by pack_conv for the same
// in_layout. kernel, stride and dilation 1 make it a pointwise one. FULLY_CONNECTED is one too: a single pixel whose
// views have channel_stride 1 and whose columns are in the order that the input lies in.
struct ConvParams {
  const int8_t* constants;
  Requant requant;
  int16_t in_h, in_w, in_c;
  int16_t out_h, out_w, out_c;
  int16_t kernel_h, kernel_w;
  int16_t stride_h, stride_w;
  int16_t dilation_h, dilation_w;
  int16_t pad_top, pad_left;
  int16_t input_zero_point;
  bool input_is_hwc;  // element (c, y, x) of the input is data[(y % rows) * row_stride + x * in_c + c]; its
                      // channel_stride is not used
  bool in_runs;       // the constants are in runs of channels (conv2d.cpp)
};

// In place (in and out the same view) is right for pointwise convolutions, widening and narrowing, and for views that
// differ in nothing but channel count; otherwise in and out must not overlap in what is still to be read.
void conv2d(const ConvParams& p, const View& in, const View& out, int row_begin, int row_end, void* scratch);

}  // namespace vww

#endif  // VWW_NN_CONV2D_H_
