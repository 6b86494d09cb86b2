// TRANSPOSE of a whole picture.
#include "transpose.h"

#include "requant.h"

namespace vww {

void transpose(const TransposeParams& p, const View& in, const View& out, int row_begin, int row_end) {
  const int32_t strides[] = {in.row_stride, 1, in.channel_stride};
  for (int c = 0; c < p.out_c; ++c) {
    for (int y = row_begin; y < row_end; ++y) {
      const int8_t* from = in.data + y * strides[p.rows] + c * strides[p.channels];
      int8_t* const to = row_of(out, y) + c * out.channel_stride;
      for (int x = 0; x < p.w; ++x, from += strides[p.columns]) to[x] = *from;
    }
  }
}

}  // namespace vww
