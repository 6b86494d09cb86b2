// CONV_2D's windows as pairs of int16. Gathered words: for each pair of taps one word for each of the block's pixels.
#ifndef VWW_NN_CONV2D_GATHER_H_
#define VWW_NN_CONV2D_GATHER_H_

#include "conv2d.h"
#include "requant.h"

namespace vww {

inline uint32_t pair_of(int low, int high) {
  return (static_cast<uint32_t>(low) & 0xffffu) | static_cast<uint32_t>(high) << 16;
}

#if defined(__ARM_FEATURE_DSP)

// Four neighbours of two channels; leaves the pointers at the next ones.
inline void gather_two(const int8_t*& from, int32_t channel_stride, int pixels, uint32_t*& to) {
  const uint32_t a = load_word(from), b = load_word(from + channel_stride);
  const uint32_t a02 = sxtb16(a), a13 = sxtb16_odd(a), b02 = sxtb16(b), b13 = sxtb16_odd(b);
  to[0] = pack_low(a02, b02);
  to[1] = pack_low(a13, b13);
  to[2] = pack_high(a02, b02);
  to[3] = pack_high(a13, b13);
  from += 2 * channel_stride;
  to += pixels;
  // Two pointers that move: gcc would keep four, and work these out again behind the loop.
  asm("" : "+r"(from), "+r"(to));
}

// Pairs of channels at one place of `pixels` neighbours, all inside the input; returns the end of what was written.
// Four words are written for each pair whatever `pixels` is: the next pair overwrites what is too much, and scratch has
// room for four after the last one.
__attribute__((noinline)) inline uint32_t* gather_columns(const int8_t* from, int32_t channel_stride, int channels,
                                                          int pixels, uint32_t* to) {
  for (; channels >= 4; channels -= 4) {
    gather_two(from, channel_stride, pixels, to);
    gather_two(from, channel_stride, pixels, to);
  }
  if (channels >= 2) gather_two(from, channel_stride, pixels, to);
  if (channels % 2 != 0) {
    // The other half of each word meets a zero weight, whatever it is.
    const uint32_t word = load_word(from);
    const uint32_t even = sxtb16(word), odd = sxtb16_odd(word);
    to[0] = even;
    to[1] = odd;
    to[2] = even >> 16;
    to[3] = odd >> 16;
    to += pixels;
  }
  return to;
}

#else

// The same, without reading or writing what is too much.
inline uint32_t* gather_columns(const int8_t* from, int32_t channel_stride, int channels, int pixels, uint32_t* to) {
  for (; channels >= 2; channels -= 2, from += 2 * channel_stride)
    for (int i = 0; i < pixels; ++i) *to++ = pair_of(from[i], from[channel_stride + i]);
  if (channels > 0)
    for (int i = 0; i < pixels; ++i) *to++ = pair_of(from[i], 0);
  return to;
}

#endif

// The windows of output pixels (y, x) ... (y, x + pixels - 1) of a planar input.
inline void gather_planar(const ConvParams& p, const View& in, int y, int x, int pixels, uint32_t* to) {
  for (int ky = 0; ky < p.kernel_h; ++ky) {
    const int iy = y * p.stride_h - p.pad_top + ky * p.dilation_h;
    const bool inside = iy >= 0 && iy < p.in_h;
    const int8_t* const row = inside ? row_of(in, iy) : nullptr;
    for (int kx = 0; kx < p.kernel_w; ++kx) {
      const int ix = x * p.stride_w - p.pad_left + kx * p.dilation_w;
      if (inside && p.stride_w == 1 && ix >= 0 && ix + pixels <= p.in_w) {
        to = gather_columns(row + ix, in.channel_stride, p.in_c, pixels, to);
        continue;
      }
      for (int i = 0; i < pixels; ++i) {
        const int at = ix + i * p.stride_w;
        uint32_t* word = to + i;
        if (!inside || at < 0 || at >= p.in_w) {
          const uint32_t padding = pair_of(p.input_zero_point, p.input_zero_point);
          for (int c = 0; c < p.in_c; c += 2, word += pixels) *word = padding;
        } else {
          const int8_t* from = row + at;
          for (int c = 0; c < p.in_c; c += 2, word += pixels, from += 2 * in.channel_stride)
            *word = pair_of(from[0], c + 1 < p.in_c ? from[in.channel_stride] : 0);
        }
      }
      to += (p.in_c + 1) / 2 * pixels;
    }
  }
}

// Four bytes (or three, the last with weight zero) as the pairs (0, 2) and (1, 3).
inline void split(const int8_t* from, uint32_t* even, uint32_t* odd) {
#if defined(__ARM_FEATURE_DSP)
  const uint32_t word = load_word(from);
  *even = sxtb16(word);
  *odd = sxtb16_odd(word);
#else
  *even = pair_of(from[0], from[2]);
  *odd = pair_of(from[1], from[3]);
#endif
}

// One kernel row of one window inside the input; `spacing` is the words' stride. Up to three bytes past the window are
// read.
inline void gather_row(const int8_t* from, int taps, int spacing, uint32_t* to) {
  for (; taps >= 3; taps -= 4, from += 4, to += 2 * spacing) split(from, to, to + spacing);
  if (taps > 0) *to = pair_of(from[0], taps == 2 ? from[1] : 0);
}

// Four whole windows inside the input, `step` bytes apart.
inline void gather_windows(const int8_t* from, int row_stride, int rows, int step, int taps, uint32_t* to) {
  for (; rows > 0; --rows, from += row_stride) {
    const int8_t* byte = from;
    int left = taps;
    for (; left >= 3; left -= 4, byte += 4, to += 8) {
      split(byte, to, to + 4);
      split(byte + step, to + 1, to + 5);
      split(byte + 2 * step, to + 2, to + 6);
      split(byte + 3 * step, to + 3, to + 7);
    }
    if (left == 1) {
      // The other half of each word meets a zero weight, whatever it is.
      to[0] = static_cast<uint32_t>(byte[0]);
      to[1] = static_cast<uint32_t>(byte[step]);
      to[2] = static_cast<uint32_t>(byte[2 * step]);
      to[3] = static_cast<uint32_t>(byte[3 * step]);
      to += 4;
    } else if (left == 2) {
      for (int i = 0; i < 4; ++i, byte += step) *to++ = pair_of(byte[0], byte[1]);
    }
  }
}

// One kernel row of a window that reaches over a border, or whose bytes are not contiguous; row is null above and below
// the input.
inline void gather_border_row(const ConvParams& p, const int8_t* row, int ix, int taps, int spacing, uint32_t* to) {
  for (int done = 0; done < taps; done += 4, to += 2 * spacing) {
    int8_t four[4] = {};
    for (int j = 0; j < 4 && done + j < taps; ++j) {
      const int at = ix + (done + j) / p.in_c * p.dilation_w;
      const bool present = row != nullptr && at >= 0 && at < p.in_w;
      four[j] = static_cast<int8_t>(present ? row[at * p.in_c + (done + j) % p.in_c] : p.input_zero_point);
    }
    gather_row(four, taps - done < 4 ? taps - done : 4, spacing, to);
  }
}

// The windows of output pixels (y, x) ... (y, x + pixels - 1) of an interleaved input.
inline void gather_interleaved(const ConvParams& p, const View& in, int y, int x, int pixels, uint32_t* to) {
  const int taps = p.kernel_w * p.in_c;
  const int ix = x * p.stride_w - p.pad_left, iy = y * p.stride_h - p.pad_top;
  const int last = p.dilation_w == 1 ? p.in_w - p.kernel_w : -1;  // the last place of a window without a border
  if (pixels == 4 && ix >= 0 && ix + 3 * p.stride_w <= last && iy >= 0 && p.dilation_h == 1 &&
      iy + p.kernel_h <= p.in_h && in.rows >= p.in_h) {
    const int8_t* const from = in.data + iy * in.row_stride + ix * p.in_c;
    return gather_windows(from, in.row_stride, p.kernel_h, p.stride_w * p.in_c, taps, to);
  }
  const int row_words = (taps + 1) / 2 * pixels;
  for (int ky = 0; ky < p.kernel_h; ++ky, to += row_words) {
    const int row_at = iy + ky * p.dilation_h;
    const int8_t* const row = row_at >= 0 && row_at < p.in_h ? row_of(in, row_at) : nullptr;
    for (int i = 0; i < pixels; ++i) {
      const int at = ix + i * p.stride_w;
      if (row != nullptr && at >= 0 && at <= last) {
        gather_row(row + at * p.in_c, taps, pixels, to + i);
      } else {
        gather_border_row(p, row, at, taps, pixels, to + i);
      }
    }
  }
}

}  // namespace vww

#endif  // VWW_NN_CONV2D_GATHER_H_
