// What a pool is, whichever it is.
#ifndef VWW_NN_POOL_H_
#define VWW_NN_POOL_H_

#include "vww_nn.h"

namespace vww {

struct PoolParams {
  int16_t in_h, in_w, channels;
  int16_t out_h, out_w;
  int16_t kernel_h, kernel_w;
  int16_t stride_h, stride_w;
  int16_t pad_top, pad_left;
  int16_t clamp_min, clamp_max;
  int16_t offset;  // 128 for a mean of uint8 values, which are 128 more than ours
};

}  // namespace vww

#endif  // VWW_NN_POOL_H_
