// Rows, columns and channels of a picture: slices, reflections, repetitions.
#ifndef VWW_NN_GATHER_H_
#define VWW_NN_GATHER_H_

#include "vww_nn.h"

namespace vww {

// Output element (c, y, x) is input element (channels[c], rows[y], columns[x]). Without columns they are a run that
// begins at first_column.
struct GatherParams {
  const int16_t* rows;
  const int16_t* columns;
  const int16_t* channels;
  int16_t out_w, out_c;
  int16_t first_column;
};

void gather(const GatherParams& p, const View& in, const View& out, int row_begin, int row_end);

}  // namespace vww

#endif  // VWW_NN_GATHER_H_
