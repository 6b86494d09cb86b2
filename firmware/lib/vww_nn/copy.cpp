// Copies between layouts.
#include "copy.h"

#include <string.h>

#include "requant.h"

namespace vww {

void copy_planar(int channels, int width, const View& in, const View& out, int row_begin, int row_end) {
  for (int c = 0; c < channels; ++c)
    for (int y = row_begin; y < row_end; ++y)
      memcpy(row_of(out, y) + c * out.channel_stride, row_of(in, y) + c * in.channel_stride,
             static_cast<size_t>(width));
}

void copy_from_hwc(int channels, int width, const int8_t* in, const View& out, int row_begin, int row_end) {
  for (int y = row_begin; y < row_end; ++y) {
    const int8_t* from = in + y * width * channels;
    int8_t* const to = row_of(out, y);
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c) to[c * out.channel_stride + x] = *from++;
  }
}

void copy_to_hwc(int channels, int width, const View& in, int8_t* out, int row_begin, int row_end) {
  for (int y = row_begin; y < row_end; ++y) {
    const int8_t* const from = row_of(in, y);
    int8_t* to = out + y * width * channels;
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c) *to++ = from[c * in.channel_stride + x];
  }
}

}  // namespace vww
