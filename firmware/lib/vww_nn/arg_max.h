// ARG_MAX over the channels.
#ifndef VWW_NN_ARG_MAX_H_
#define VWW_NN_ARG_MAX_H_

#include "vww_nn.h"

namespace vww {

struct ArgMaxParams {
  int16_t channels, w;  // of the input
};

// The output has one channel: at each position the number of the input's largest channel, the first of equal ones.
// Right in place.
void arg_max(const ArgMaxParams& p, const View& in, const View& out, int row_begin, int row_end);

}  // namespace vww

#endif  // VWW_NN_ARG_MAX_H_
