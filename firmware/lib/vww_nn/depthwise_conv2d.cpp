// DEPTHWISE_CONV_2D, channel by channel: the rows that a window needs are copied to scratch, padded and widened to
// int16, and the output is computed from there; so it may overwrite the input.
//
// Constants, for each output channel and without gaps: the bias with the input's zero point folded in (int32), twice
// the Q31 multiplier (a word), the weights (kernel_h * kernel_w bytes), 32 + TFLite's shift (a byte).
#include "requant.h"
#include "vww_nn.h"

namespace vww {
namespace {

// One output channel: its constants and its planes.
struct Channel {
  const int8_t* record;
  const int8_t* in;  // of row 0
  int8_t* out;
};

// ------------------------------------------------------------------------------------------------------------- any
// kernel

// Copies input row iy, padded, to `width` int16; rows outside the input are all zero point.
void copy_row(const DepthwiseParams& p, const View& in, const Channel& c, int iy, int16_t* to, int width) {
  const int16_t zero = p.input_zero_point;
  int x = 0;
  if (iy >= 0 && iy < p.in_h) {
    const int8_t* from = c.in + (row_of(in, iy) - in.data);
    for (; x < p.pad_left; ++x) to[x] = zero;
    const int end = p.pad_left + p.in_w < width ? p.pad_left + p.in_w : width;
    while (x < end) to[x++] = *from++;
  }
  for (; x < width; ++x) to[x] = zero;
}

// Rows of the window in a ring, the weights before them.
struct Window {
  int pairs;        // words of weights for each kernel row and parity of the first column
  int width;        // int16 in a row
  int span;         // rows
  uint32_t* table;  // kernel_h * pairs * 2 words
  int16_t* ring;

  Window(const DepthwiseParams& p, void* scratch)
      : pairs(p.kernel_w / 2 + 1), span((p.kernel_h - 1) * p.dilation_h + 1), table(static_cast<uint32_t*>(scratch)) {
    // Outputs are computed four at a time: the last ones may read beyond what they need.
    const int columns = (p.out_w + 3) / 4 * 4;
    const int reach = (columns - 1) * p.stride_w + (p.kernel_w - 1) * p.dilation_w + 2;
    width = (reach + 1) / 2 * 2;
    ring = reinterpret_cast<int16_t*>(table + p.kernel_h * pairs * 2);
  }

  int16_t* row(int row_with_padding) const { return ring + row_with_padding % span * width; }
};

#if defined(__ARM_FEATURE_DSP)

uint32_t pair_of(int low, int high) {
  return (static_cast<uint32_t>(low) & 0xffffu) | static_cast<uint32_t>(high) << 16;
}

// For each kernel row its weights as pairs, beside them the same one column later: (w0, w1), (0, w0), (w2, w3), (w1,
// w2), ...
void fill_table(const DepthwiseParams& p, const int8_t* w, const Window& window) {
  uint32_t* to = window.table;
  for (int ky = 0; ky < p.kernel_h; ++ky, w += p.kernel_w) {
    for (int k = 0; k < 2 * window.pairs; k += 2) {
      const int before = k > 0 && k <= p.kernel_w ? w[k - 1] : 0;
      const int first = k < p.kernel_w ? w[k] : 0;
      const int second = k + 1 < p.kernel_w ? w[k + 1] : 0;
      *to++ = pair_of(first, second);
      *to++ = pair_of(before, first);
    }
  }
}

// Four neighbouring accumulators; x is the first one's column in a padded row.
template <int stride>
inline void accumulate_four(const DepthwiseParams& p, const Window& window, int top, int x, int32_t (&acc)[4]) {
  const uint32_t* w = window.table;
  for (int ky = 0; ky < p.kernel_h; ++ky) {
    const uint32_t* word = reinterpret_cast<const uint32_t*>(window.row(top + ky * p.dilation_h) + x);
    if (stride == 1) {
      uint32_t a = *word++;
      for (const uint32_t* const end = w + 2 * window.pairs; w != end; w += 2) {
        const uint32_t b = *word++, even = w[0], odd = w[1];
        acc[0] = smlad(a, even, acc[0]);
        acc[1] = smlad(a, odd, acc[1]);
        acc[2] = smlad(b, even, acc[2]);
        acc[3] = smlad(b, odd, acc[3]);
        a = b;
      }
    } else {
      for (const uint32_t* const end = w + 2 * window.pairs; w != end; w += 2, ++word) {
        const uint32_t even = w[0];
        acc[0] = smlad(word[0], even, acc[0]);
        acc[1] = smlad(word[1], even, acc[1]);
        acc[2] = smlad(word[2], even, acc[2]);
        acc[3] = smlad(word[3], even, acc[3]);
      }
    }
  }
}

// A row of outputs for stride 1 or 2 and neighbouring taps.
void compute_row(const DepthwiseParams& p, const Window& window, const Channel& c, int top, int8_t* to) {
  const int taps = p.kernel_h * p.kernel_w;
  const ChannelScale scale{load_int32(c.record + 4), c.record[8 + taps]};
  const bool common = p.requant.kind != RequantKind::kGeneric;
  for (int x = 0; x < p.out_w; x += 4) {
    int32_t acc[4];
    acc[0] = acc[1] = acc[2] = acc[3] = load_int32(c.record);
    if (p.stride_w == 1) {
      accumulate_four<1>(p, window, top, x, acc);
    } else {
      accumulate_four<2>(p, window, top, 2 * x, acc);
    }
    for (int i = 0; i < 4 && x + i < p.out_w; ++i)
      to[x + i] = common ? requantize<RequantKind::kClamp>(acc[i], scale, p.requant)
                         : requantize<RequantKind::kGeneric>(acc[i], scale, p.requant);
  }
}

#endif

void any_kernel(const DepthwiseParams& p, const View& in, const View& out, const Channel& c, int row_begin, int row_end,
                void* scratch) {
  const Window window(p, scratch);
  const int8_t* const w = c.record + 8;
  const ChannelScale scale{load_int32(c.record + 4), w[p.kernel_h * p.kernel_w]};
#if defined(__ARM_FEATURE_DSP)
  const bool by_four = p.dilation_w == 1 && p.stride_w <= 2;
  if (by_four) fill_table(p, w, window);
#endif
  int next = row_begin * p.stride_h;  // the next input row to copy, counted from the padding's first
  for (int y = row_begin; y < row_end; ++y) {
    const int top = y * p.stride_h;
    if (next < top) next = top;
    for (; next < top + window.span; ++next) copy_row(p, in, c, next - p.pad_top, window.row(next), window.width);
    int8_t* const to = c.out + (row_of(out, y) - out.data);
#if defined(__ARM_FEATURE_DSP)
    if (by_four) {
      compute_row(p, window, c, top, to);
      continue;
    }
#endif
    for (int x = 0; x < p.out_w; ++x) {
      int32_t acc = load_int32(c.record);
      for (int ky = 0; ky < p.kernel_h; ++ky) {
        const int16_t* row = window.row(top + ky * p.dilation_h) + x * p.stride_w;
        for (int kx = 0; kx < p.kernel_w; ++kx) acc += row[kx * p.dilation_w] * w[ky * p.kernel_w + kx];
      }
      to[x] = requantize<RequantKind::kGeneric>(acc, scale, p.requant);
    }
  }
}

#if defined(__ARM_FEATURE_DSP)

// --------------------------------------------------------------------------------------------------------------------
// 3 by 3

constexpr int kPitch = 128;    // bytes of a row in scratch, a constant of the assembly (packing.py knows it too)
constexpr int kWidest = 60;    // input columns that fit in it, with padding and what the last four outputs read beyond
constexpr int kChunkRows = 8;  // input rows in scratch at a time (packing.py knows it too)

struct Rows3x3 {
  uint32_t weights[6];  // for each kernel row (w0, w1), (w1, w2)
  int32_t bias;
  int32_t multiplier;
  int32_t power;  // 2^30 at most; shift makes up for it
  int32_t output_offset;
  int32_t shift;
  int32_t width;
  int32_t out_gap;  // from the end of an output row to the next
  int32_t rows;
  const uint32_t* scratch;
  int8_t* out;
};

// Rows of outputs, four at a time. r0 scratch, r1 out, r2-r7 weights, r8-r11 accumulators, r12 lr pixels; all 14
// registers are in use, what else is needed lies on the stack. What gcc 12 makes of intrinsics: FIGURE.
#define VWW_ROWS_BEGIN   \
  "push {r4-r11, lr}\n"  \
  "sub sp, #4\n"         \
  "ldm r0!, {r2-r7}\n"   \
  "add r12, r0, #20\n"   \
  "ldm r12, {r8-r12}\n"  \
  "push {r8-r12}\n"      \
  "mov r1, r12\n"        \
  "ldm r0, {r8-r12}\n"   \
  "push {r8-r12}\n"      \
  "1:\n"                 \
  "ldr r0, [sp, #32]\n"  \
  "ldr r12, [sp, #20]\n" \
  "str r12, [sp, #40]\n" \
  "2:\n"                 \
  "ldr r11, [sp]\n"
#define VWW_FOUR(instruction) instruction(8) instruction(9) instruction(10) instruction(11)
#define VWW_HIGH(n) "smmlar r" #n ", r" #n ", r12, r" #n "\n"
#define VWW_SIGN(n) "add.w r" #n ", r" #n ", r" #n ", asr #31\n"
#define VWW_SHIFT(n) "lsl.w r" #n ", r" #n ", r12\n"
#define VWW_FINISH(n) "smmlar r" #n ", r" #n ", r12, lr\n"
#define VWW_SATURATE(n) "ssat r" #n ", #8, r" #n "\n"
#define VWW_SCALE "ldr r12, [sp, #4]\n" VWW_FOUR(VWW_HIGH)
#define VWW_ROUND_SIGNED "ldr r12, [sp, #16]\n" VWW_FOUR(VWW_SIGN) VWW_FOUR(VWW_SHIFT)
#define VWW_ROWS_END(ROW_STEP) \
  "ldrd r12, lr, [sp, #8]\n" VWW_FOUR(VWW_FINISH) VWW_FOUR(VWW_SATURATE) \
  "ldr r12, [sp, #40]\n"                                           \
  "subs r12, #4\n"                                                 \
  "blt 4f\n"                                                       \
  "str r12, [sp, #40]\n"                                           \
  "strb r8, [r1], #4\n"                                            \
  "strb r9, [r1, #-3]\n"                                           \
  "strb r10, [r1, #-2]\n"                                          \
  "strb r11, [r1, #-1]\n"                                          \
  "bne.w 2b\n"                                                     \
  "3:\n"                                                           \
  "ldr r12, [sp, #28]\n"                                           \
  "ldr r0, [sp, #32]\n"                                            \
  "ldr lr, [sp, #24]\n"                                            \
  "subs r12, #1\n"                                                 \
  "str r12, [sp, #28]\n"                                           \
  "add r0, #" ROW_STEP "\n"                                        \
  "str r0, [sp, #32]\n"                                            \
  "add r1, lr\n"                                                   \
  "bne.w 1b\n"                                                     \
  "add sp, #44\n"                                                  \
  "pop {r4-r11, pc}\n"                                             \
  "4:\n" /* the last one to three of a row */                      \
  "strb r8, [r1], #1\n"                                            \
  "cmn r12, #3\n"                                                  \
  "beq 3b\n"                                                       \
  "strb r9, [r1], #1\n"                                            \
  "cmn r12, #2\n"                                                  \
  "beq 3b\n"                                                       \
  "strb r10, [r1], #1\n"                                           \
  "b 3b\n"

// A kernel row by four outputs, w0 = (w0, w1), w1 = (w1, w2). Words a, b, c hold columns 0..5 for stride 1, and a..e
// columns 0..9 for stride 2.
#define VWW_ROW_STRIDE1(LOAD, THIRD, W0, W1, F0, F1, F2) \
  LOAD "smlad r8, r12, " W0 ", " F0                      \
       "\n"                                              \
       "smlatb r9, r12, " W0 ", " F1                     \
       "\n"                                              \
       "smlad r10, lr, " W0 ", " F2                      \
       "\n"                                              \
       "smlatb r11, lr, " W0                             \
       ", r11\n"                                         \
       "ldr r12, [r0, #" THIRD                           \
       "]\n"                                             \
       "smlabt r8, lr, " W1                              \
       ", r8\n"                                          \
       "smlad r9, lr, " W1                               \
       ", r9\n"                                          \
       "smlabt r10, r12, " W1                            \
       ", r10\n"                                         \
       "smlad r11, r12, " W1 ", r11\n"
#define VWW_STRIDE1                                                                   \
  VWW_ROW_STRIDE1("ldrd r12, lr, [r0], #8\n", "0", "r2", "r3", "r11", "r11", "r11")   \
  VWW_ROW_STRIDE1("ldrd r12, lr, [r0, #120]\n", "128", "r4", "r5", "r8", "r9", "r10") \
  VWW_ROW_STRIDE1("ldrd r12, lr, [r0, #248]\n", "256", "r6", "r7", "r8", "r9", "r10")
#define VWW_ROW_STRIDE2(LOAD, SECOND, THIRD, W0, W1, F0, F1, F2) \
  LOAD "smlad r8, r12, " W0 ", " F0                              \
       "\n"                                                      \
       "smlad r9, lr, " W0 ", " F1                               \
       "\n"                                                      \
       "smlabt r8, lr, " W1                                      \
       ", r8\n"                                                  \
       "ldrd r12, lr, [r0, #" SECOND                             \
       "]\n"                                                     \
       "smlad r10, r12, " W0 ", " F2                             \
       "\n"                                                      \
       "smlad r11, lr, " W0                                      \
       ", r11\n"                                                 \
       "smlabt r9, r12, " W1                                     \
       ", r9\n"                                                  \
       "ldr r12, [r0, #" THIRD                                   \
       "]\n"                                                     \
       "smlabt r10, lr, " W1                                     \
       ", r10\n"                                                 \
       "smlabt r11, r12, " W1 ", r11\n"
#define VWW_STRIDE2                                                                          \
  VWW_ROW_STRIDE2("ldrd r12, lr, [r0], #16\n", "-8", "0", "r2", "r3", "r11", "r11", "r11")   \
  VWW_ROW_STRIDE2("ldrd r12, lr, [r0, #112]\n", "120", "128", "r4", "r5", "r8", "r9", "r10") \
  VWW_ROW_STRIDE2("ldrd r12, lr, [r0, #240]\n", "248", "256", "r6", "r7", "r8", "r9", "r10")

// With an output offset of -128 rounding needs no care for the sign and right shifts are 2 or more; signed_* are for
// the rest.
__attribute__((naked, noinline)) void relu_stride1(const Rows3x3* /*arguments*/) {
  asm volatile(VWW_ROWS_BEGIN VWW_STRIDE1 VWW_SCALE VWW_ROWS_END("128"));
}
__attribute__((naked, noinline)) void relu_stride2(const Rows3x3* /*arguments*/) {
  asm volatile(VWW_ROWS_BEGIN VWW_STRIDE2 VWW_SCALE VWW_ROWS_END("256"));
}
__attribute__((naked, noinline)) void signed_stride1(const Rows3x3* /*arguments*/) {
  asm volatile(VWW_ROWS_BEGIN VWW_STRIDE1 VWW_SCALE VWW_ROUND_SIGNED VWW_ROWS_END("128"));
}
__attribute__((naked, noinline)) void signed_stride2(const Rows3x3* /*arguments*/) {
  asm volatile(VWW_ROWS_BEGIN VWW_STRIDE2 VWW_SCALE VWW_ROUND_SIGNED VWW_ROWS_END("256"));
}

// Widens rows to pairs of int16, each after pad_left (0 or 1) zero points and with one after it. Reads up to three
// bytes past a row.
void widen_rows(const int8_t* from, int32_t row_stride, int rows, int width, int pad_left, int zero_point,
                uint32_t* to) {
  int16_t* end = reinterpret_cast<int16_t*>(to) + width + pad_left;
  for (; rows > 0; --rows, from += row_stride, to += kPitch / 4, end += kPitch / 2) {
    const int8_t* byte = from;
    uint32_t* word = to;
    if (pad_left == 0) {
      do {
        const uint32_t four = load_word(byte);
        const uint32_t even = sxtb16(four), odd = sxtb16_odd(four);
        byte += 4;
        word[0] = pack_low(even, odd);
        word[1] = pack_high(even, odd);
        word += 2;
      } while (byte < from + width);
    } else {
      uint32_t before = static_cast<uint32_t>(zero_point) << 16;
      do {
        const uint32_t four = load_word(byte);
        const uint32_t even = sxtb16_swapped(four), odd = sxtb16_odd(four);  // (2, 0), (1, 3)
        byte += 4;
        word[0] = pack_high(before, even);
        word[1] = pack_low(odd, even);
        word += 2;
        before = odd;
      } while (byte < from + width);
      *word = before >> 16;
    }
    *end = static_cast<int16_t>(zero_point);
  }
}

bool is_fast(const DepthwiseParams& p) {
  return p.kernel_h == 3 && p.kernel_w == 3 && p.dilation_h == 1 && p.dilation_w == 1 && p.stride_h == p.stride_w &&
         p.stride_h <= 2 && p.in_w <= kWidest && p.pad_left <= 1 &&
         (p.out_w - 1) * p.stride_w + 3 - p.pad_left <= p.in_w + 1;
}

// Nine weights as pairs, for each kernel row (w0, w1), (w1, w2).
void pair_weights(const int8_t* w, uint32_t* pairs) {
  const uint32_t a = load_word(w), b = load_word(w + 4);
  const uint32_t a02 = sxtb16(a), a13 = sxtb16_odd(a), b46 = sxtb16(b), b64 = sxtb16_swapped(b), b57 = sxtb16_odd(b);
  pairs[0] = pack_low(a02, a13);
  pairs[1] = pack_low(a13, a02 >> 16);
  pairs[2] = pack_high(a13, b64);
  pairs[3] = pack_low(b46, b57);
  pairs[4] = pack_high(b46, b57);
  pairs[5] = pack_high(b57, static_cast<uint32_t>(w[8]) << 16);
}

// Computes channels whose window is 3 by 3, for rows [row_begin, row_end).
class Kernel3x3 {
 public:
  Kernel3x3(const DepthwiseParams& p, const View& in, const View& out, int row_begin, int row_end, uint32_t* scratch)
      : p_(p), in_(in), out_(out), row_begin_(row_begin), row_end_(row_end), stride_(p.stride_h) {
    rows_.output_offset = p.requant.output_offset;
    rows_.width = p.out_w;
    rows_.out_gap = out.row_stride - p.out_w;
    rows_.scratch = scratch;
    chunk_ = stride_ == 1 ? kChunkRows - 2 : (kChunkRows - 1) / 2;
  }

  void run(const Channel& c) {
    const int8_t* const w = c.record + 8;
    pair_weights(w, rows_.weights);
    const int exponent = w[9];
    rows_.bias = load_int32(c.record);
    rows_.multiplier = load_int32(c.record + 4);
    rows_.shift = exponent == 31 ? 1 : 0;
    rows_.power = 1 << (exponent - rows_.shift);
    const bool relu = p_.requant.output_offset == -128 && exponent <= 30;
    void (*const compute)(const Rows3x3*) = stride_ == 1 ? relu ? relu_stride1 : signed_stride1
                                            : relu       ? relu_stride2
                                                         : signed_stride2;

    int present = 0;  // rows that the last chunk left in scratch
    for (int y = row_begin_; y < row_end_;) {
      int count = row_end_ - y < chunk_ ? row_end_ - y : chunk_;
      const int8_t* const from_row = row_of(out_, y);
      if (out_.rows < p_.out_h) {  // up to where the ring begins again
        const int left = out_.rows - y % out_.rows;
        count = left < count ? left : count;
      }
      copy(c, y * stride_ - p_.pad_top, present, (count - 1) * stride_ + 3);
      rows_.rows = count;
      rows_.out = c.out + (from_row - out_.data);
      compute(&rows_);
      if (p_.requant.clamp_min > -128 || p_.requant.clamp_max < 127) clamp_rows();
      y += count;
      if (y >= row_end_) break;
      // The rows that the next chunk shares with this one.
      present = 3 - stride_;
      memcpy(row(0), row(count * stride_), static_cast<size_t>(present * kPitch));
      borders_ = false;
    }
  }

  // Something else used the scratch memory.
  void scratch_lost() { borders_ = false; }

 private:
  uint32_t* row(int i) const { return const_cast<uint32_t*>(rows_.scratch) + i * (kPitch / 4); }

  void fill(int i) const {
    const uint32_t zero = pair_of(p_.input_zero_point, p_.input_zero_point);
    uint32_t* const to = row(i);
    for (int k = p_.in_w / 2 + 1; k >= 0; --k) to[k] = zero;
  }

  // Rows [first, last) of scratch, row 0 being input row top. Rows outside the input stay filled from channel to
  // channel unless a chunk moved them.
  void copy(const Channel& c, int top, int first, int last) {
    for (; first < last && top + first < 0; ++first)
      if (!borders_) fill(first);
    int inside = p_.in_h - top < last ? p_.in_h - top : last;
    for (int i = inside; i < last; ++i)
      if (!borders_) fill(i);
    borders_ = row_end_ - row_begin_ <= chunk_;
    while (first < inside) {
      const int8_t* const from = row_of(in_, top + first);
      int count = inside - first;
      if (in_.rows < p_.in_h) {
        const int left = in_.rows - (top + first) % in_.rows;
        count = left < count ? left : count;
      }
      widen_rows(c.in + (from - in_.data), in_.row_stride, count, p_.in_w, p_.pad_left, p_.input_zero_point,
                 row(first));
      first += count;
    }
  }

  void clamp_rows() const {
    int8_t* to = rows_.out;
    for (int i = 0; i < rows_.rows; ++i, to += out_.row_stride)
      for (int x = 0; x < p_.out_w; ++x)
        to[x] = static_cast<int8_t>(clamp(to[x], p_.requant.clamp_min, p_.requant.clamp_max));
  }

  const DepthwiseParams& p_;
  const View& in_;
  const View& out_;
  const int row_begin_, row_end_, stride_;
  int chunk_;
  bool borders_ = false;  // scratch holds the rows outside the input already
  Rows3x3 rows_;
};

#endif

}  // namespace

void depthwise_conv2d(const DepthwiseParams& p, const View& in, const View& out, int row_begin, int row_end,
                      void* scratch) {
  const int record_bytes = p.kernel_h * p.kernel_w + 9;
#if defined(__ARM_FEATURE_DSP)
  const bool fast = is_fast(p);
  Kernel3x3 kernel(p, in, out, row_begin, row_end, static_cast<uint32_t*>(scratch));
#endif
  Channel c{p.constants, in.data, out.data};
  for (int channel = 0; channel < p.in_c; ++channel, c.in += in.channel_stride) {
    for (int i = 0; i < p.multiplier; ++i, c.out += out.channel_stride, c.record += record_bytes) {
#if defined(__ARM_FEATURE_DSP)
      // A doubled multiplier of 2^31 and more, a right shift of 1 and more: what the assembly is exact for.
      if (fast && load_int32(c.record + 4) < 0 && c.record[record_bytes - 1] <= 31) {
        kernel.run(c);
        continue;
      }
      kernel.scratch_lost();
#endif
      any_kernel(p, in, out, c, row_begin, row_end, scratch);
    }
  }
}

}  // namespace vww
