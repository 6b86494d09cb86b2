// CONV_2D, as a matrix product: the windows of a few output pixels are gathered as pairs of int16 ("taps" k, k + 1),
// then multiplied with every output channel's weights. The same code serves pointwise convolutions, whose windows are
// columns of channels.
//
// Order of the taps (compiler/kernels/conv2d.py knows it too): a planar input has for each kernel position its channels
// in pairs, an odd last one alone; an interleaved input has for each kernel row its kernel_w * in_c bytes in groups of
// four as pairs (0, 2), (1, 3), and a rest of one to three bytes as (0, -), (0, 1) or (0, 2), (1, -). What pairs lack
// is zero, with a zero weight.
//
// Constants, for each pair of output channels c0, c1 (a missing one all zero): two int32 of biases with the input's
// zero point folded in, the weights, twice the Q31 multipliers (two words), 32 + TFLite's shifts (two bytes), two bytes
// of nothing. Weights are words, one for each pair of taps (k, k + 1). Requantisation kGeneric has in them the bytes
// (c0 k, c1 k, c0 k + 1, c1 k + 1). Otherwise they are two int16, c0 + 256 * c1 for each tap, and the second bias is
// likewise b0 + 256 * b1: one multiplication by such a word sums up for both channels, and what belongs to c1 is left
// when the sum for c0 (whose weights are the low bytes) is taken away; that saves widening c1's weights.
#include "conv2d.h"

#include "requant.h"

namespace vww {
namespace {

constexpr int kPixels = 4;  // output pixels in a block, at most

uint32_t pair_of(int low, int high) {
  return (static_cast<uint32_t>(low) & 0xffffu) | static_cast<uint32_t>(high) << 16;
}

// ----------------------------------------------------------------------------------------------------------------------
// gather Gathered words: for each pair of taps one word for each of the block's pixels.

// Pairs of channels at one place of `pixels` neighbours, all inside the input; returns the end of what was written.
uint32_t* gather_columns(const int8_t* from, int32_t channel_stride, int channels, int pixels, uint32_t* to) {
#if defined(__ARM_FEATURE_DSP)
  if (pixels == 4) {
    for (; channels >= 2; channels -= 2, from += 2 * channel_stride, to += 4) {
      const uint32_t a = load_word(from), b = load_word(from + channel_stride);
      const uint32_t a02 = sxtb16(a), a13 = sxtb16_odd(a), b02 = sxtb16(b), b13 = sxtb16_odd(b);
      to[0] = pack_low(a02, b02);
      to[1] = pack_low(a13, b13);
      to[2] = pack_high(a02, b02);
      to[3] = pack_high(a13, b13);
    }
  }
#endif
  for (; channels >= 2; channels -= 2, from += 2 * channel_stride)
    for (int i = 0; i < pixels; ++i) *to++ = pair_of(from[i], from[channel_stride + i]);
  if (channels > 0)
    for (int i = 0; i < pixels; ++i) *to++ = pair_of(from[i], 0);
  return to;
}

// The windows of output pixels (y, x) ... (y, x + pixels - 1) of a planar input.
void gather_planar(const ConvParams& p, const View& in, int y, int x, int pixels, uint32_t* to) {
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

// One kernel row of one window inside the input; the words lie `spacing` apart. Up to three bytes past the window are
// read.
void gather_row(const int8_t* from, int taps, int spacing, uint32_t* to) {
  for (; taps >= 3; taps -= 4, from += 4, to += 2 * spacing) split(from, to, to + spacing);
  if (taps > 0) *to = pair_of(from[0], taps == 2 ? from[1] : 0);
}

// Four whole windows inside the input, `step` bytes apart.
void gather_windows(const int8_t* from, int row_stride, int rows, int step, int taps, uint32_t* to) {
  for (; rows > 0; --rows, from += row_stride) {
    const int8_t* byte = from;
    int left = taps;
    for (; left >= 3; left -= 4, byte += 4, to += 8) {
      split(byte, to, to + 4);
      split(byte + step, to + 1, to + 5);
      split(byte + 2 * step, to + 2, to + 6);
      split(byte + 3 * step, to + 3, to + 7);
    }
    if (left <= 0) continue;
    for (int i = 0; i < 4; ++i, byte += step) *to++ = pair_of(byte[0], left == 2 ? byte[1] : 0);
  }
}

// One kernel row of a window that reaches over a border, or whose bytes lie apart; row is null above and below the
// input.
void gather_border_row(const ConvParams& p, const int8_t* row, int ix, int taps, int spacing, uint32_t* to) {
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
void gather_interleaved(const ConvParams& p, const View& in, int y, int x, int pixels, uint32_t* to) {
  const int taps = p.kernel_w * p.in_c;
  const int ix = x * p.stride_w - p.pad_left, iy = y * p.stride_h - p.pad_top;
  const int last = p.dilation_w == 1 ? p.in_w - p.kernel_w : -1;  // the last place of a window without a border
  if (pixels == 4 && ix >= 0 && ix + 3 * p.stride_w <= last && iy >= 0 && p.dilation_h == 1 &&
      iy + p.kernel_h <= p.in_h && in.rows >= p.in_h) {
    const int8_t* const from = in.data + iy * in.row_stride + ix * p.in_c;
    return gather_windows(from, in.row_stride, p.kernel_h, p.stride_w * p.in_c, taps, to);
  }
  const int row_words = (taps / 4 * 2 + (taps % 4 + 1) / 2) * pixels;
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

// --------------------------------------------------------------------------------------------------------------------
// multiply

// What the multiplication of blocks needs; out is the block's first pixel in channel 0.
struct BlockArguments {
  const uint32_t* gathered;
  const uint32_t* end;    // of the gathered words
  int32_t entry;          // bytes of the assembly's unrolled loop to skip at first
  int32_t output_offset;  // -128: negative values need no care when rounding
  int8_t* out;
  int32_t channel_stride;
  int32_t channels;
};

// A block of pixels by all output channels.
void multiply(const ConvParams& p, const BlockArguments& b, int pixels) {
  const int8_t* w = p.constants;
  const int pairs = static_cast<int>(b.end - b.gathered) / pixels;
  const bool combined = p.requant.kind != RequantKind::kGeneric;
  int8_t* out = b.out;
  for (int left = p.out_c; left > 0; left -= 2, out += 2 * b.channel_stride, w += pairs * 4 + 20) {
    const int8_t* const scales = w + 8 + pairs * 4;
    for (int i = 0; i < pixels; ++i) {
      int32_t acc0 = load_int32(w);
      uint32_t acc1 = load_word(w + 4);  // of combined weights it may leave 32 bits on the way
      const uint32_t* x = b.gathered + i;
      for (const int8_t* pair = w + 8; pair != scales; pair += 4, x += pixels) {
        const uint32_t word = load_word(pair);
#if defined(__ARM_FEATURE_DSP)
        acc0 = smlad(*x, sxtb16(word), acc0);
        acc1 = static_cast<uint32_t>(smlad(*x, combined ? word : sxtb16_odd(word), static_cast<int32_t>(acc1)));
#else
        const int low = static_cast<int16_t>(*x & 0xffffu), high = static_cast<int16_t>(*x >> 16);
        acc0 += pair[0] * low + pair[2] * high;
        acc1 += static_cast<uint32_t>((combined ? static_cast<int16_t>(word & 0xffffu) : pair[1]) * low);
        acc1 += static_cast<uint32_t>((combined ? static_cast<int16_t>(word >> 16) : pair[3]) * high);
#endif
      }
      int32_t second_acc = static_cast<int32_t>(acc1);
      if (combined) second_acc = static_cast<int32_t>(acc1 - static_cast<uint32_t>(acc0)) >> 8;
      out[i] = requantize<RequantKind::kGeneric>(acc0, {load_int32(scales), scales[8]}, p.requant);
      if (left > 1) {
        const ChannelScale second{load_int32(scales + 4), scales[9]};
        out[b.channel_stride + i] = requantize<RequantKind::kGeneric>(second_acc, second, p.requant);
      }
    }
  }
}

#if defined(__ARM_FEATURE_DSP)

// A block of pixels by all output channels, clamped to -128..127, for combined weights. Two channels by four (three)
// pixels take 8 (6) accumulators; with weights, pixels and pointers all 14 registers are in use, and what else is
// needed lies on the stack. The same in C++ with intrinsics takes 1.25 instructions and 1.68 cycles per MAC from 128 to
// 128 channels at 6x6 (gcc 12 spills accumulators in the loop); this 0.91 and 1.13.
//
// r0 constants, r1 gathered words, r2 r3 weights; pixels r12 lr (r7 r11 r12); accumulators r4-r7 and r8-r11 (r4-r6 and
// r8-r10). Stack: 0 gathered, 4 end, 8 entry, 12 output offset, 16 out, 20 channel stride, 24 channels.
#define VWW_MACROS                           \
  ".macro product a0, a1, x, from0, from1\n" \
  "smlad \\a0, \\x, r2, \\from0\n"           \
  "smlad \\a1, \\x, r3, \\from1\n"           \
  ".endm\n"                                  \
  ".macro apart a1, a0\n"                    \
  "sub.w \\a1, \\a1, \\a0\n"                 \
  "asr.w \\a1, \\a1, #8\n"                   \
  ".endm\n"                                  \
  ".macro high a, multiplier\n"              \
  "smmlar \\a, \\a, \\multiplier, \\a\n"     \
  ".endm\n"                                  \
  ".macro sign a\n"                          \
  "add.w \\a, \\a, \\a, asr #31\n"           \
  ".endm\n"                                  \
  ".macro finish a, power, at\n"             \
  "smmlar \\a, \\a, \\power, r12\n"          \
  "ssat \\a, #8, \\a\n"                      \
  "strb \\a, [r1, #\\at]\n"                  \
  ".endm\n"
#define VWW_NO_MACROS ".purgem product\n .purgem apart\n .purgem high\n .purgem sign\n .purgem finish\n .purgem step\n"
#define VWW_PROLOGUE    \
  "push {r4-r11, lr}\n" \
  "ldm r1, {r2-r8}\n"   \
  "push {r2-r8}\n"      \
  "1:\n"                \
  "ldr r1, [sp]\n"
// Into the unrolled loop, so far from its end as there are steps left over.
#define VWW_ENTER       \
  "ldr r12, [sp, #8]\n" \
  "add pc, r12\n"       \
  "nop.n\n"             \
  "2:\n"
#define VWW_REPEAT          \
  "ldr r12, [sp, #4]\n"     \
  "cmp r1, r12\n"           \
  "bne.w 2b\n"              \
  "ldrd r2, r3, [r0], #8\n" \
  "ldr r12, [sp, #12]\n"
#define VWW_SCALES      \
  "ldrb r2, [r0], #1\n" \
  "ldrb r3, [r0], #3\n" \
  "mov lr, #1\n"        \
  "lsl r2, lr, r2\n"    \
  "lsl r3, lr, r3\n"    \
  "ldr r1, [sp, #16]\n"
// The flags live until the epilogue.
#define VWW_SECOND_CHANNEL \
  "ldr r2, [sp, #24]\n"    \
  "ldr lr, [sp, #20]\n"    \
  "subs r2, r2, #2\n"      \
  "bmi 4f\n"               \
  "str r2, [sp, #24]\n"    \
  "add r1, r1, lr\n"
#define VWW_EPILOGUE    \
  "add r1, r1, lr\n"    \
  "str r1, [sp, #16]\n" \
  "bgt.w 1b\n"          \
  "4:\n"                \
  "add sp, sp, #28\n"   \
  "pop {r4-r11, pc}\n"

constexpr int kUnroll4 = 12, kStepBytes4 = 52;

__attribute__((naked, noinline)) void multiply4(const int8_t* /*constants*/, const BlockArguments* /*arguments*/) {
  asm volatile(VWW_MACROS
               ".macro step a00, a10, a01, a11, a02, a12\n"
               "ldr.w r3, [r0], #4\n"
               "ldr.w r12, [r1], #16\n"  // three single loads in a row take less time than one and a double
               "ldr.w lr, [r1, #-12]\n"
               "sxtb16.w r2, r3\n"
               "product r4, r8, r12, \\a00, \\a10\n"
               "product r5, r9, lr, \\a01, \\a11\n"
               "ldrd r12, lr, [r1, #-8]\n"
               "product r6, r10, r12, \\a02, \\a12\n"
               "product r7, r11, lr, r7, r11\n"
               ".endm\n"  //
               VWW_PROLOGUE
               "ldr r7, [r0], #4\n"  // the biases; the first step hands them to the others
               "ldr r11, [r0], #4\n"
               "step r7, r11, r7, r11, r7, r11\n"  //
               VWW_ENTER
               ".rept 12\n"
               "step r4, r8, r5, r9, r6, r10\n"
               ".endr\n"  //
               VWW_REPEAT
               "apart r8, r4\n apart r9, r5\n apart r10, r6\n apart r11, r7\n"
               "high r4, r2\n high r5, r2\n high r6, r2\n high r7, r2\n"
               "high r8, r3\n high r9, r3\n high r10, r3\n high r11, r3\n"
               "cmn r12, #128\n"
               "bne 5f\n"
               "3:\n"                                                                                              //
               VWW_SCALES "finish r4, r2, 0\n finish r5, r2, 1\n finish r6, r2, 2\n finish r7, r2, 3\n"            //
               VWW_SECOND_CHANNEL "finish r8, r3, 0\n finish r9, r3, 1\n finish r10, r3, 2\n finish r11, r3, 3\n"  //
               VWW_EPILOGUE
               "5:\n"
               "sign r4\n sign r5\n sign r6\n sign r7\n sign r8\n sign r9\n sign r10\n sign r11\n"
               "b 3b\n"  //
               VWW_NO_MACROS);
}

constexpr int kUnroll3 = 8, kStepBytes3 = 36;

__attribute__((naked, noinline)) void multiply3(const int8_t* /*constants*/, const BlockArguments* /*arguments*/) {
  asm volatile(VWW_MACROS
               ".macro step a00, a10, a01, a11\n"
               "ldr.w r3, [r0], #4\n"
               "ldm.w r1!, {r7, r11, r12}\n"
               "sxtb16.w r2, r3\n"
               "product r4, r8, r7, \\a00, \\a10\n"
               "product r5, r9, r11, \\a01, \\a11\n"
               "product r6, r10, r12, r6, r10\n"
               ".endm\n"  //
               VWW_PROLOGUE
               "ldr r6, [r0], #4\n"
               "ldr r10, [r0], #4\n"
               "step r6, r10, r6, r10\n"  //
               VWW_ENTER
               ".rept 8\n"
               "step r4, r8, r5, r9\n"
               ".endr\n"  //
               VWW_REPEAT
               "apart r8, r4\n apart r9, r5\n apart r10, r6\n"
               "high r4, r2\n high r5, r2\n high r6, r2\n"
               "high r8, r3\n high r9, r3\n high r10, r3\n"
               "cmn r12, #128\n"
               "bne 5f\n"
               "3:\n"                                                                          //
               VWW_SCALES "finish r4, r2, 0\n finish r5, r2, 1\n finish r6, r2, 2\n"           //
               VWW_SECOND_CHANNEL "finish r8, r3, 0\n finish r9, r3, 1\n finish r10, r3, 2\n"  //
               VWW_EPILOGUE
               "5:\n"
               "sign r4\n sign r5\n sign r6\n sign r8\n sign r9\n sign r10\n"
               "b 3b\n"  //
               VWW_NO_MACROS);
}

#undef VWW_MACROS
#undef VWW_NO_MACROS
#undef VWW_PROLOGUE
#undef VWW_ENTER
#undef VWW_REPEAT
#undef VWW_SCALES
#undef VWW_SECOND_CHANNEL
#undef VWW_EPILOGUE

void multiply_block(const ConvParams& p, const BlockArguments& b, int pixels) {
  if (pixels < 3 || p.requant.kind == RequantKind::kGeneric) return multiply(p, b, pixels);
  if (pixels == 4) {
    multiply4(p.constants, &b);
  } else {
    multiply3(p.constants, &b);
  }
  if (p.requant.kind == RequantKind::kClamp) {
    int8_t* out = b.out;
    for (int c = 0; c < p.out_c; ++c, out += b.channel_stride)
      for (int i = 0; i < pixels; ++i)
        out[i] = static_cast<int8_t>(clamp(out[i], p.requant.clamp_min, p.requant.clamp_max));
  }
}

int entry_bytes(int pixels, int pairs) {
  const int unroll = pixels == 4 ? kUnroll4 : kUnroll3, step = pixels == 4 ? kStepBytes4 : kStepBytes3;
  return (unroll - (pairs - 1) % unroll) * step;
}

#else

void multiply_block(const ConvParams& p, const BlockArguments& b, int pixels) { multiply(p, b, pixels); }

int entry_bytes(int /*pixels*/, int /*pairs*/) { return 0; }

#endif

// How many of the n pixels left in a row the next block takes: four, but threes where that leaves no ones and twos.
int block_pixels(int n) { return n > 4 && n <= 9 && n % 4 != 0 ? 3 : n < kPixels ? n : kPixels; }

int pairs_of_taps(const ConvParams& p) {
  if (!p.input_is_hwc) return p.kernel_h * p.kernel_w * ((p.in_c + 1) / 2);
  const int taps = p.kernel_w * p.in_c;
  return p.kernel_h * (taps / 4 * 2 + (taps % 4 + 1) / 2);
}

}  // namespace

void conv2d(const ConvParams& p, const View& in, const View& out, int row_begin, int row_end, void* scratch) {
  uint32_t* const gathered = static_cast<uint32_t*>(scratch);
  const int pairs = pairs_of_taps(p);
  const bool pointwise = p.kernel_h * p.kernel_w * p.stride_h * p.stride_w == 1 && !p.input_is_hwc &&
                         p.in_h == p.out_h && p.in_w == p.out_w;  // else it pads
  int width = p.out_w;
  if (pointwise && in.row_stride == width && out.row_stride == width && in.rows >= row_end && out.rows >= row_end) {
    // Rows without gaps: one long row.
    width *= row_end - row_begin;
    row_end = row_begin + 1;
  }
  BlockArguments block{gathered, nullptr, 0, p.requant.output_offset, nullptr, out.channel_stride, p.out_c};
  int pixels = 0;
  for (int y = row_begin; y < row_end; ++y) {
    int8_t* const row = row_of(out, y);
    const int8_t* const from = pointwise ? row_of(in, y) : nullptr;
    for (int x = 0; x < width; x += pixels) {
      const int next = block_pixels(width - x);
      if (next != pixels) {
        pixels = next;
        block.end = gathered + pairs * pixels;
        block.entry = entry_bytes(pixels, pairs);
      }
      if (pointwise) {
        gather_columns(from + x, in.channel_stride, p.in_c, pixels, gathered);
      } else if (p.input_is_hwc) {
        gather_interleaved(p, in, y, x, pixels, gathered);
      } else {
        gather_planar(p, in, y, x, pixels, gathered);
      }
      block.out = row + x;
      multiply_block(p, block, pixels);
    }
  }
}

}  // namespace vww
