// RESIZE_BILINEAR.
#ifndef VWW_NN_RESIZE_BILINEAR_H_
#define VWW_NN_RESIZE_BILINEAR_H_

#include "vww_nn.h"

namespace vww {

// Output row y lies at row (first_row + y * row_step) / 1024 of the input; columns alike.
struct ResizeBilinearParams {
  int16_t in_h, in_w, out_w, channels;
  int32_t first_row, row_step;
  int32_t first_column, column_step;
};

void resize_bilinear(const ResizeBilinearParams& p, const View& in, const View& out, int row_begin, int row_end);

}  // namespace vww

#endif  // VWW_NN_RESIZE_BILINEAR_H_
