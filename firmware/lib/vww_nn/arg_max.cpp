// ARG_MAX over the channels.
#include "arg_max.h"

#include "requant.h"

namespace vww {

void arg_max(const ArgMaxParams& p, const View& in, const View& out, int row_begin, int row_end) {
  for (int y = row_begin; y < row_end; ++y) {
    const int8_t* const row = row_of(in, y);
    int8_t* const to = row_of(out, y);
    for (int x = 0; x < p.w; ++x) {
      int best = 0;
      const int8_t* from = row + x;
      int8_t largest = *from;
      for (int c = 1; c < p.channels; ++c) {
        from += in.channel_stride;
        if (*from > largest) {
          largest = *from;
          best = c;
        }
      }
      to[x] = static_cast<int8_t>(best);
    }
  }
}

}  // namespace vww
