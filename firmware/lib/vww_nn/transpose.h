// TRANSPOSE of a whole picture.
#ifndef VWW_NN_TRANSPOSE_H_
#define VWW_NN_TRANSPOSE_H_

#include "vww_nn.h"

namespace vww {

// Which axis of the input (0 height, 1 width, 2 channel) the output's rows, columns and channels are.
struct TransposeParams {
  int16_t w, out_c;
  uint8_t rows, columns, channels;
};

// The input is whole, its rows in no ring.
void transpose(const TransposeParams& p, const View& in, const View& out, int row_begin, int row_end);

}  // namespace vww

#endif  // VWW_NN_TRANSPOSE_H_
