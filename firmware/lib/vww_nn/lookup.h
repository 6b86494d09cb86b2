// A table of 256 values, or one for each channel.
#ifndef VWW_NN_LOOKUP_H_
#define VWW_NN_LOOKUP_H_

#include "vww_nn.h"

namespace vww {

// tables[c * step + v + 128] is the output for v in channel c.
struct LookupParams {
  const int8_t* tables;
  int16_t w, channels;
  int16_t step;
};

// out may be the input.
void lookup(const LookupParams& p, const View& in, const View& out, int row_begin, int row_end);

}  // namespace vww

#endif  // VWW_NN_LOOKUP_H_
