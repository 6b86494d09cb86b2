// PAD with a constant.
#ifndef VWW_NN_PAD_H_
#define VWW_NN_PAD_H_

#include "vww_nn.h"

namespace vww {

// Constant padding of height, width and channels.
struct PadParams {
  int16_t in_h, in_w, in_c;
  int16_t out_h, out_w, out_c;
  int16_t top, left, front;  // front: constant channels before the input's
  int8_t value;
};

void pad(const PadParams& p, const View& in, const View& out, int row_begin, int row_end);

}  // namespace vww

#endif  // VWW_NN_PAD_H_
