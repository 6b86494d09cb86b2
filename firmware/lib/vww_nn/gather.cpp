// Rows, columns and channels of a picture: slices, reflections, repetitions.
#include "gather.h"

#include <string.h>

#include "requant.h"

namespace vww {

void gather(const GatherParams& p, const View& in, const View& out, int row_begin, int row_end) {
  for (int c = 0; c < p.out_c; ++c) {
    for (int y = row_begin; y < row_end; ++y) {
      const int8_t* const from = row_of(in, p.rows[y]) + p.channels[c] * in.channel_stride;
      int8_t* const to = row_of(out, y) + c * out.channel_stride;
      if (p.columns == nullptr) {
        memcpy(to, from + p.first_column, static_cast<size_t>(p.out_w));
        continue;
      }
      for (int x = 0; x < p.out_w; ++x) to[x] = from[p.columns[x]];
    }
  }
}

}  // namespace vww
