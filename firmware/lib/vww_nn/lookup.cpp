// A table of 256 values: LOGISTIC, TANH, HARD_SWISH, LEAKY_RELU, RELU, arithmetic with constants.
#include "lookup.h"

#include "requant.h"

namespace vww {

void lookup(const LookupParams& p, const View& in, const View& out, int row_begin, int row_end) {
  const int8_t* middle = p.tables + 128;
  for (int c = 0; c < p.channels; ++c, middle += p.step) {
    for (int y = row_begin; y < row_end; ++y) {
      const int8_t* from = row_of(in, y) + c * in.channel_stride;
      int8_t* to = row_of(out, y) + c * out.channel_stride;
      for (const int8_t* const end = from + p.w; from != end;) *to++ = middle[*from++];
    }
  }
}

}  // namespace vww
