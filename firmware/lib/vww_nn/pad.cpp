// PAD with a constant.
#include "pad.h"

#include <string.h>

#include "requant.h"

namespace vww {

void pad(const PadParams& p, const View& in, const View& out, int row_begin, int row_end) {
  for (int c = 0; c < p.out_c; ++c) {
    const int from_c = c - p.front;
    for (int y = row_begin; y < row_end; ++y) {
      const int from_y = y - p.top;
      int8_t* const to = row_of(out, y) + c * out.channel_stride;
      memset(to, p.value, static_cast<size_t>(p.out_w));
      if (from_c < 0 || from_c >= p.in_c || from_y < 0 || from_y >= p.in_h) continue;
      memcpy(to + p.left, row_of(in, from_y) + from_c * in.channel_stride, static_cast<size_t>(p.in_w));
    }
  }
}

}  // namespace vww
