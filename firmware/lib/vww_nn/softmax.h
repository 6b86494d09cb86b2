// SOFTMAX.
#ifndef VWW_NN_SOFTMAX_H_
#define VWW_NN_SOFTMAX_H_

#include "vww_nn.h"

namespace vww {

// int8 softmax over the channels; multiplier, left_shift and diff_min as TFLite's PreprocessSoftmaxScaling gives them
// (compiler/kernels/softmax.py).
struct SoftmaxParams {
  int16_t size, w;  // channels, and columns of a map
  int32_t multiplier;
  int32_t left_shift;
  int32_t diff_min;
};

// in and out may be the same.
void softmax(const SoftmaxParams& p, const int8_t* in, int8_t* out);

// At each position of a map; out may be the input.
void softmax_map(const SoftmaxParams& p, const View& in, const View& out, int row_begin, int row_end);

}  // namespace vww

#endif  // VWW_NN_SOFTMAX_H_
