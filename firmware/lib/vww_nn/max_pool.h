// MAX_POOL_2D.
#ifndef VWW_NN_MAX_POOL_H_
#define VWW_NN_MAX_POOL_H_

#include "pool.h"

namespace vww {

// Pools are right in place under the same conditions as the depthwise convolution when the window does not reach above
// or left of the output's own corner (pad_top = pad_left = 0).
void max_pool(const PoolParams& p, const View& in, const View& out, int row_begin, int row_end);

}  // namespace vww

#endif  // VWW_NN_MAX_POOL_H_
