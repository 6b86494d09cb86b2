// CONV_2D: gathers a few output pixels' windows into int16 pairs, then multiplies them with every output channel's
// weights.
#include "requant.h"
#include "vww_nn.h"

namespace vww {
namespace {

constexpr int kPixels = 4;  // output pixels in a block

struct Window {
  const ConvParams& p;
  const View& in;

  // The input byte of tap (channel, ky, kx) for output pixel (y, x).
  int tap(int y, int x, int ky, int kx, int c) const {
    const int iy = y * p.stride_h - p.pad_top + ky * p.dilation_h;
    const int ix = x * p.stride_w - p.pad_left + kx * p.dilation_w;
    if (iy < 0 || iy >= p.in_h || ix < 0 || ix >= p.in_w) return p.input_zero_point;
    const int8_t* row = row_of(in, iy);
    return p.input_is_hwc ? row[ix * p.in_c + c] : row[c * in.channel_stride + ix];
  }
};

// Scratch: for each pair of taps one (tap, tap + 1) pair of int16 for each of the pixels; an odd last tap is paired
// with zero.
void gather(const Window& w, int y, int x, int pixels, int16_t* scratch) {
  const ConvParams& p = w.p;
  const int taps = p.kernel_h * p.kernel_w * p.in_c;
  for (int i = 0; i < pixels; ++i) {
    int k = 0;
    auto put = [&](int value) {
      scratch[(k / 2 * pixels + i) * 2 + k % 2] = static_cast<int16_t>(value);
      ++k;
    };
    if (p.input_is_hwc) {
      for (int ky = 0; ky < p.kernel_h; ++ky)
        for (int kx = 0; kx < p.kernel_w; ++kx)
          for (int c = 0; c < p.in_c; ++c) put(w.tap(y, x + i, ky, kx, c));
    } else {
      for (int c = 0; c < p.in_c; ++c)
        for (int ky = 0; ky < p.kernel_h; ++ky)
          for (int kx = 0; kx < p.kernel_w; ++kx) put(w.tap(y, x + i, ky, kx, c));
    }
    if (taps % 2 != 0) put(0);
  }
}

// A block of pixels by all output channels. Weights: for each pair of output channels and each pair of taps the bytes
// (c0 k0, c1 k0, c0 k1, c1 k1).
void multiply(const ConvParams& p, const int16_t* scratch, int pixels, int pairs, int8_t* out, int32_t channel_stride) {
  const Requant& r = p.requant;
  const int8_t* w = p.weights;
  for (int c = 0; c < p.out_c; c += 2, w += pairs * 4) {
    const int second = c + 1 < p.out_c ? c + 1 : c;
    for (int i = 0; i < pixels; ++i) {
      int32_t acc0 = r.bias[c], acc1 = r.bias[second];
      for (int k = 0; k < pairs; ++k) {
        const int16_t* x = scratch + (k * pixels + i) * 2;
        acc0 += w[k * 4] * x[0] + w[k * 4 + 2] * x[1];
        acc1 += w[k * 4 + 1] * x[0] + w[k * 4 + 3] * x[1];
      }
      out[c * channel_stride + i] = requantize_channel(acc0, r, c);
      if (second != c) out[second * channel_stride + i] = requantize_channel(acc1, r, second);
    }
  }
}

}  // namespace

void conv2d(const ConvParams& p, const View& in, const View& out, int row_begin, int row_end, void* scratch) {
  int16_t* const gathered = static_cast<int16_t*>(scratch);
  const int pairs = (p.kernel_h * p.kernel_w * p.in_c + 1) / 2;
  const Window window{p, in};
  for (int y = row_begin; y < row_end; ++y) {
    int8_t* const row = row_of(out, y);
    for (int x = 0; x < p.out_w; x += kPixels) {
      const int pixels = p.out_w - x < kPixels ? p.out_w - x : kPixels;
      gather(window, y, x, pixels, gathered);
      multiply(p, gathered, pixels, pairs, row + x, out.channel_stride);
    }
  }
}

}  // namespace vww
