// A table of 256 values.
#ifndef VWW_NN_LOOKUP_H_
#define VWW_NN_LOOKUP_H_

#include "vww_nn.h"

namespace vww {

// table[v + 128] is the output for v.
struct LookupParams {
  const int8_t* table;
  int16_t w, channels;
};

// out may be the input.
void lookup(const LookupParams& p, const View& in, const View& out, int row_begin, int row_end);

}  // namespace vww

#endif  // VWW_NN_LOOKUP_H_
