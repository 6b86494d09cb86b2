// Depthwise windows of 3 by 3 with stride 1 or 2, in assembly for cores with the DSP extension.
//
// Some rows of a plane are widened to pairs of int16, with the padding around them, and outputs computed from there.
// Word j of row r lies at scratch[j * kRows + r], so that two rows come with one LDRD, and distances don't depend on
// the width.
#ifndef VWW_NN_DEPTHWISE_CONV2D_ASSEMBLY_H_
#define VWW_NN_DEPTHWISE_CONV2D_ASSEMBLY_H_

#include <stdint.h>

#include "depthwise_conv2d.h"
#include "dsp.h"
#include "requant.h"
#include "slots.h"

namespace vww {
namespace {  // one file includes this: the compiler may inline what is called once

#if defined(__ARM_FEATURE_DSP)

constexpr int kRows = 14;       // rows in scratch (compiler/kernels/depthwise_conv2d.py knows it too)
constexpr int kWordBytes = 56;  // from one pair of columns to the next: 4 * kRows, written out in the assembly
constexpr int kWidest = 60;     // input columns (compiler/kernels/depthwise_conv2d.py knows it too)
constexpr int kMostChunks = 10;

// Rows of one plane that are computed together; offsets of rows in scratch are in bytes.
struct Chunk {
  int32_t in_offset;  // of the first row to widen, from the plane's start
  int32_t widen_rows;
  int32_t widen_to;  // row in scratch
  int32_t fill;      // row in scratch to fill with zero points; negative: none
  int32_t out_offset;
  int32_t rows;  // to compute
  int32_t keep;  // this row in scratch and the next one are moved to the top after that; 0: none
  int32_t more;  // 0: this is the last chunk
};
static_assert(sizeof(Chunk) == 32, "the assembly steps by it");

// What the assembly works on; it finds the members on its stack, in this order.
struct Planes {
  const int8_t* record;  // the channel's constants
  const int8_t* in;
  int8_t* out;
  int32_t channels;
  int32_t in_channel_stride;
  int32_t out_channel_stride;
  int32_t in_gap;           // from the end of a row's last word to the next row
  int32_t words;            // of four bytes in an input row
  int32_t edge;             // where in scratch the column after the last one lies, from a row's first word
  int32_t rounding_offset;  // 512 * the output's zero point + 256
  int32_t pad_left;         // 0 or 1
  int32_t zero;             // a pair of zero points
  int32_t quads;            // outputs of a row that are computed by four
  int32_t tail;             // those left, 0 to 3
  int32_t out_gap;          // from the end of an output row to the next
  int32_t stride;
  const Chunk* chunks;
  uint32_t* scratch;
};
static_assert(sizeof(Planes) == 72, "the assembly copies it");

// Computes channels, saturated to -128..127, until one comes whose scale is out of the ordinary (not fused, and a
// multiplier below 2^30 or a right shift below 2); returns how many are left.
//
// While it widens: r0 from, r1 to (row), r6 to (word), r8 rows. While it computes: r0 scratch, r1 out, r2-r7 weights
// (w0, w1), (w1, w2) by row, r8-r11 accumulators, r12 lr pixels. Weights of fused channels are 256 times as large. The
// inner part in C++ with intrinsics takes 20.2 instructions and 28.5 cycles per output with gcc 12; this 11.8 and 15.5.
//
// Slots: 0 bias, 1 multiplier, 2 power of two, 3 rounding offset or, not fused, zero point, 4 row in scratch, 5 end of
// the row's quads, 6 rows left, 7 quads, 8 gap after a row of outputs. Stack: slots, 40 chunk, 44
// Planes.
#define VWW_MAC(instruction, acc, x, w) #instruction " r" #acc ", " #x ", r" #w ", r" #acc "\n"
#define VWW_START(instruction, acc, x, w, from) #instruction " r" #acc ", " #x ", r" #w ", r" #from "\n"
#define VWW_LOAD2(at) "ldrd r12, lr, [r0, #" #at "]\n"
#define VWW_LOAD1(at) "ldr r12, [r0, #" #at "]\n"
#define VWW_FUSE(a) "smmla " #a ", " #a ", r12, lr\n ssat " #a ", #8, " #a ", asr #9\n"
#define VWW_HIGH(a) "smmlar " #a ", " #a ", r12, " #a "\n add.w " #a ", " #a ", " #a ", asr #31\n"
#define VWW_ROUND(a) "smmlar " #a ", " #a ", r12, lr\n ssat " #a ", #8, " #a "\n"
#define VWW_SCALING(exact) \
  VWW_TAKE(r12, 1)         \
  "cmp r12, #0\n blt.w " exact "\n" VWW_TAKE(lr, 3)
#define VWW_ROW_BEGIN \
  VWW_PUT(4, r0)      \
  VWW_TAKE(r12, 7)    \
  "add r12, r12, r1\n" VWW_PUT(5, r12) "cmp r1, r12\n"
#define VWW_STORE_QUAD(scaled) \
  VWW_SCALING("94f")           \
  VWW_FUSE(r8)                 \
  VWW_FUSE(r9)                 \
  VWW_FUSE(r10)                \
  VWW_FUSE(r11)                \
  scaled                       \
      ":\n"                    \
      "strb r8, [r1], #4\n"    \
      "strb r9, [r1, #-3]\n"   \
      "strb r10, [r1, #-2]\n"  \
      "strb r11, [r1, #-1]\n" VWW_TAKE(r12, 5) "cmp r1, r12\n"
// One or two of the outputs that r10 counts.
#define VWW_STORE_PAIR(scaled, again, done) \
  VWW_SCALING("92f")                        \
  VWW_FUSE(r8)                              \
  VWW_FUSE(r9)                              \
  scaled                                    \
      ":\n"                                 \
      "subs r10, #1\n"                      \
      "strb r8, [r1], #1\n"                 \
      "beq " done                           \
      "\n"                                  \
      "subs r10, #1\n"                      \
      "strb r9, [r1], #1\n"                 \
      "bne " again "\n"
#define VWW_ROW_END(step, again) \
  VWW_TAKE(r0, 4)                \
  VWW_TAKE(r12, 8)               \
  VWW_TAKE(lr, 6)                \
  "add r0, #" #step              \
  "\n"                           \
  "add r1, r12\n"                \
  "subs lr, #1\n" VWW_PUT(6, lr) "bne.w " again "\n"

__attribute__((naked, noinline)) inline int compute_planes(const Planes* /*planes*/) {
  asm volatile(
      "push {r4-r11, lr}\n"
      "sub sp, #116\n"
      "add r1, sp, #44\n"
      "ldm r0!, {r2-r10}\n"
      "stm r1!, {r2-r10}\n"
      "ldm r0!, {r2-r10}\n"
      "stm r1!, {r2-r10}\n"

      "10:\n"  // a channel
      "ldr r0, [sp, #44]\n"
      "ldr r3, [r0]\n"
      "ldr r4, [r0, #4]\n"
      "ldrb r2, [r0, #17]\n"
      "ldr r6, [sp, #80]\n"
      "cbz r2, 11f\n"
      "cmp r4, #0\n"
      "bge.w 90f\n"
      "cmp r2, #30\n"
      "bgt.w 90f\n"
      "mov r5, #1\n"
      "lsl r5, r2\n"
      "asr r6, r6, #9\n"  //
      VWW_PUT(2, r5)
      "11:\n"
      "ldr r2, [sp, #92]\n"
      "ldr r5, [sp, #100]\n"
      "ldr r11, [sp, #108]\n"  //
      VWW_PUT(0, r3) VWW_PUT(1, r4) VWW_PUT(3, r6) VWW_PUT(7, r2) VWW_PUT(8, r5)

      "20:\n"  // a chunk
      "str r11, [sp, #40]\n"
      "ldr r2, [sp, #48]\n"
      "ldr r3, [sp, #112]\n"
      "ldm r11, {r0, r8}\n"
      "ldrd r1, r9, [r11, #8]\n"
      "add r0, r2\n"
      "add r1, r3\n"
      "ldr r10, [sp, #72]\n"
      "ldr r7, [sp, #88]\n"
      "cmp r9, #0\n"
      "blt 30f\n"
      "add r9, r3\n"
      "lsl r4, r10, #1\n"
      "21: str r7, [r9], #56\n"
      "subs r4, #1\n"
      "bpl 21b\n"

      "30:\n"  // rows to widen
      "cmp r8, #0\n"
      "beq 50f\n"
      "ldr r9, [sp, #68]\n"
      "ldr r12, [sp, #76]\n"
      "ldr r3, [sp, #84]\n"
      "cbz r3, 40f\n"
      "31:\n"
      "mov r6, r1\n"
      "mov r5, r10\n"
      "mov r4, r7\n"
      "32:\n"
      "ldr r2, [r0], #4\n"
      "sxtb16 r3, r2, ror #16\n"
      "pkhtb lr, r3, r4, asr #16\n"
      "sxtb16 r4, r2, ror #8\n"
      "pkhbt r3, r4, r3, lsl #16\n"
      "str lr, [r6], #56\n"
      "str r3, [r6], #56\n"
      "subs r5, #1\n"
      "bne 32b\n"
      "lsr r4, #16\n"
      "str r4, [r6]\n"
      "strh r7, [r1, r12]\n"
      "add r0, r9\n"
      "add r1, #4\n"
      "subs r8, #1\n"
      "bne 31b\n"
      "b 50f\n"
      "40:\n"
      "mov r6, r1\n"
      "mov r5, r10\n"
      "41:\n"
      "ldr r2, [r0], #4\n"
      "sxtb16 r3, r2\n"
      "sxtb16 r4, r2, ror #8\n"
      "pkhbt lr, r3, r4, lsl #16\n"
      "pkhtb r3, r4, r3, asr #16\n"
      "str lr, [r6], #56\n"
      "str r3, [r6], #56\n"
      "subs r5, #1\n"
      "bne 41b\n"
      "strh r7, [r1, r12]\n"
      "add r0, r9\n"
      "add r1, #4\n"
      "subs r8, #1\n"
      "bne 40b\n"

      "50:\n"  // rows to compute
      "ldrd r1, r8, [r11, #16]\n"
      "cmp r8, #0\n"
      "beq.w 80f\n"
      "ldr r12, [sp, #52]\n"
      VWW_PUT(6, r8)
      "add r1, r12\n"
      "ldr r12, [sp, #44]\n"
      "ldr r8, [r12, #8]\n"
      "ldr r9, [r12, #12]\n"
      "ldrsb r10, [r12, #16]\n"
      VWW_TAKE(lr, 1)
      "cmp lr, #0\n"
      "blt 51f\n"
      "mov lr, #0xff00ff00\n"
      "and r2, lr, r8, lsl #8\n"
      "and r11, lr, r8\n"
      "and r6, lr, r9, lsl #8\n"
      "and r7, lr, r9\n"
      "lsl r10, #24\n"
      "b 52f\n"
      "51:\n"
      "sxtb16 r2, r8\n"
      "sxtb16 r11, r8, ror #8\n"
      "sxtb16 r6, r9\n"
      "sxtb16 r7, r9, ror #8\n"
      "lsl r10, #16\n"
      "52:\n"
      "ror r4, r6, #16\n"
      "pkhbt r3, r11, r2\n"
      "pkhbt r2, r2, r11, lsl #16\n"
      "pkhtb r4, r4, r11, asr #16\n"
      "pkhbt r5, r6, r7, lsl #16\n"
      "pkhtb r6, r7, r6, asr #16\n"
      "pkhtb r7, r10, r7, asr #16\n"
      "ldr r12, [sp, #104]\n"
      "ldr r0, [sp, #112]\n"
      "cmp r12, #1\n"
      "bne.w 70f\n"

      "60:\n"  // a row, stride 1
      VWW_ROW_BEGIN
      "beq 62f\n"
      "61:\n"
      VWW_TAKE(r11, 0)
      "ldrd r12, lr, [r0], #112\n"
      VWW_START(smlad, 8, r12, 2, 11) VWW_START(smlatb, 9, r12, 2, 11) VWW_MAC(smlad, 8, lr, 4) VWW_MAC(smlatb, 9, lr, 4)
      VWW_LOAD1(-104)
      VWW_MAC(smlad, 8, r12, 6) VWW_MAC(smlatb, 9, r12, 6)
      VWW_LOAD2(-56)
      VWW_MAC(smlabt, 8, r12, 3) VWW_MAC(smlad, 9, r12, 3) VWW_START(smlad, 10, r12, 2, 11) VWW_MAC(smlatb, 11, r12, 2)
      VWW_MAC(smlabt, 8, lr, 5) VWW_MAC(smlad, 9, lr, 5) VWW_MAC(smlad, 10, lr, 4) VWW_MAC(smlatb, 11, lr, 4)
      VWW_LOAD1(-48)
      VWW_MAC(smlabt, 8, r12, 7) VWW_MAC(smlad, 9, r12, 7) VWW_MAC(smlad, 10, r12, 6) VWW_MAC(smlatb, 11, r12, 6)
      VWW_LOAD2(0)
      VWW_MAC(smlabt, 10, r12, 3) VWW_MAC(smlad, 11, r12, 3) VWW_MAC(smlabt, 10, lr, 5) VWW_MAC(smlad, 11, lr, 5)
      VWW_LOAD1(8)
      VWW_MAC(smlabt, 10, r12, 7) VWW_MAC(smlad, 11, r12, 7)
      VWW_STORE_QUAD("65")
      "bne.w 61b\n"
      "62:\n"
      "ldr r10, [sp, #96]\n"
      "cmp r10, #0\n"
      "beq 64f\n"
      "63:\n"
      VWW_TAKE(r9, 0)
      "ldrd r12, lr, [r0], #56\n"
      VWW_START(smlad, 8, r12, 2, 9) VWW_MAC(smlatb, 9, r12, 2) VWW_MAC(smlad, 8, lr, 4) VWW_MAC(smlatb, 9, lr, 4)
      VWW_LOAD1(-48)
      VWW_MAC(smlad, 8, r12, 6) VWW_MAC(smlatb, 9, r12, 6)
      VWW_LOAD2(0)
      VWW_MAC(smlabt, 8, r12, 3) VWW_MAC(smlad, 9, r12, 3) VWW_MAC(smlabt, 8, lr, 5) VWW_MAC(smlad, 9, lr, 5)
      VWW_LOAD1(8)
      VWW_MAC(smlabt, 8, r12, 7) VWW_MAC(smlad, 9, r12, 7)
      VWW_STORE_PAIR("66", "63b", "64f")
      "64:\n"
      VWW_ROW_END(4, "60b")
      "b.w 80f\n"

      "70:\n"  // a row, stride 2
      VWW_ROW_BEGIN
      "beq 72f\n"
      "71:\n"
      VWW_TAKE(r11, 0)
      "ldrd r12, lr, [r0], #224\n"
      VWW_START(smlad, 8, r12, 2, 11) VWW_MAC(smlad, 8, lr, 4)
      VWW_LOAD1(-216)
      VWW_MAC(smlad, 8, r12, 6)
      VWW_LOAD2(-168)
      VWW_MAC(smlabt, 8, r12, 3) VWW_START(smlad, 9, r12, 2, 11) VWW_MAC(smlabt, 8, lr, 5) VWW_MAC(smlad, 9, lr, 4)
      VWW_LOAD1(-160)
      VWW_MAC(smlabt, 8, r12, 7) VWW_MAC(smlad, 9, r12, 6)
      VWW_LOAD2(-112)
      VWW_MAC(smlabt, 9, r12, 3) VWW_START(smlad, 10, r12, 2, 11) VWW_MAC(smlabt, 9, lr, 5) VWW_MAC(smlad, 10, lr, 4)
      VWW_LOAD1(-104)
      VWW_MAC(smlabt, 9, r12, 7) VWW_MAC(smlad, 10, r12, 6)
      VWW_LOAD2(-56)
      VWW_MAC(smlabt, 10, r12, 3) VWW_MAC(smlad, 11, r12, 2) VWW_MAC(smlabt, 10, lr, 5) VWW_MAC(smlad, 11, lr, 4)
      VWW_LOAD1(-48)
      VWW_MAC(smlabt, 10, r12, 7) VWW_MAC(smlad, 11, r12, 6)
      VWW_LOAD2(0)
      VWW_MAC(smlabt, 11, r12, 3) VWW_MAC(smlabt, 11, lr, 5)
      VWW_LOAD1(8)
      VWW_MAC(smlabt, 11, r12, 7)
      VWW_STORE_QUAD("75")
      "bne.w 71b\n"
      "72:\n"
      "ldr r10, [sp, #96]\n"
      "cmp r10, #0\n"
      "beq 74f\n"
      "73:\n"
      VWW_TAKE(r9, 0)
      "ldrd r12, lr, [r0], #112\n"
      VWW_START(smlad, 8, r12, 2, 9) VWW_MAC(smlad, 8, lr, 4)
      VWW_LOAD1(-104)
      VWW_MAC(smlad, 8, r12, 6)
      VWW_LOAD2(-56)
      VWW_MAC(smlabt, 8, r12, 3) VWW_MAC(smlad, 9, r12, 2) VWW_MAC(smlabt, 8, lr, 5) VWW_MAC(smlad, 9, lr, 4)
      VWW_LOAD1(-48)
      VWW_MAC(smlabt, 8, r12, 7) VWW_MAC(smlad, 9, r12, 6)
      VWW_LOAD2(0)
      VWW_MAC(smlabt, 9, r12, 3) VWW_MAC(smlabt, 9, lr, 5)
      VWW_LOAD1(8)
      VWW_MAC(smlabt, 9, r12, 7)
      VWW_STORE_PAIR("76", "73b", "74f")
      "74:\n"
      VWW_ROW_END(8, "70b")

      "80:\n"  // the next chunk
      "ldr r11, [sp, #40]\n"
      "ldrd r8, r9, [r11, #24]\n"
      "cmp r8, #0\n"
      "beq 82f\n"
      "ldr r0, [sp, #112]\n"
      "ldr r10, [sp, #72]\n"
      "add r8, r0\n"
      "lsl r10, #1\n"
      "81: ldrd r2, r3, [r8], #56\n"
      "subs r10, #1\n"
      "strd r2, r3, [r0], #56\n"
      "bpl 81b\n"
      "82:\n"
      "add r11, #32\n"
      "cmp r9, #0\n"
      "bne.w 20b\n"

      "add r8, sp, #44\n"  // the next channel
      "ldm r8, {r0-r5}\n"
      "add r0, #18\n"
      "add r1, r4\n"
      "add r2, r5\n"
      "subs r3, #1\n"
      "stm r8, {r0-r3}\n"
      "bne.w 10b\n"
      "90:\n"
      "ldr r0, [sp, #56]\n"
      "add sp, #116\n"
      "pop {r4-r11, pc}\n"

      "94:\n"  // scales r8-r11 with two roundings
      VWW_HIGH(r8) VWW_HIGH(r9) VWW_HIGH(r10) VWW_HIGH(r11)
      VWW_TAKE(r12, 2) VWW_TAKE(lr, 3)
      VWW_ROUND(r8) VWW_ROUND(r9) VWW_ROUND(r10) VWW_ROUND(r11)
      "ldr r12, [sp, #104]\n"
      "cmp r12, #1\n"
      "beq.w 65b\n"
      "b.w 75b\n"
      "92:\n"  // r8 and r9
      VWW_HIGH(r8) VWW_HIGH(r9)
      VWW_TAKE(r12, 2) VWW_TAKE(lr, 3)
      VWW_ROUND(r8) VWW_ROUND(r9)
      "ldr r12, [sp, #104]\n"
      "cmp r12, #1\n"
      "beq.w 66b\n"
      "b.w 76b\n");
}

inline bool is_common(const DepthwiseParams& p) {
  return p.kernel_h == 3 && p.kernel_w == 3 && p.dilation_h == 1 && p.dilation_w == 1 && p.stride_h == p.stride_w &&
         p.stride_h <= 2 && p.multiplier == 1 && p.in_w <= kWidest && p.pad_left <= 1 &&
         (p.out_w - 1) * p.stride_w + 3 - p.pad_left <= p.in_w + 1 && p.pad_top <= 1 &&
         (p.out_h - 1) * p.stride_h + 3 - p.pad_top <= p.in_h + 1;
}

inline int least(int a, int b) { return a < b ? a : b; }

// The rows of a ring from y on that lie in one piece, limit at most.
inline int in_one_piece(const View& v, int y, int limit) {
  return least(limit, v.rows - (y < v.rows ? y : y % v.rows));
}

// Rows [begin, end) of the output as chunks; false when a ring cuts them into too many.
__attribute__((noinline)) inline bool plan_chunks(const DepthwiseParams& p, const View& in, const View& out, int begin,
                                                  int end, Chunk* chunks) {
  const int stride = p.stride_h, most = (kRows - 3) / stride + 1;
  Chunk* chunk = chunks;
  int kept = 0;  // rows at the top of scratch that the chunk before left there
  for (int y = begin; y < end;) {
    if (chunk - chunks > kMostChunks - 3) return false;
    const int rows = in_one_piece(out, y, least(end - y, most));
    const int top = y * stride - p.pad_top, needed = (rows - 1) * stride + 3;
    const bool alone = rows == end - begin;  // then the rows outside the input are filled once for all channels
    int first = kept, last = needed, fill = -1;
    if (top + first < 0) fill = first++;
    if (top + last > p.in_h) fill = --last;
    do {
      const int count = in_one_piece(in, top + first, last - first);
      *chunk++ = {
          static_cast<int32_t>(row_of(in, top + first) - in.data), count, first * 4, alone ? -1 : fill * 4, 0, 0, 0, 1};
      fill = -1;
      first += count;
    } while (first < last);
    Chunk& computing = chunk[-1];
    computing.out_offset = static_cast<int32_t>(row_of(out, y) - out.data);
    computing.rows = rows;
    kept = 3 - stride;
    y += rows;
    if (y < end) computing.keep = rows * stride * 4;
  }
  chunk[-1].more = 0;
  return true;
}

// Clamps what was saturated to -128..127.
inline void clamp_planes(const DepthwiseParams& p, const View& out, int8_t* plane, int planes, int begin, int end) {
  for (; planes > 0; --planes, plane += out.channel_stride) {
    for (int y = begin; y < end; ++y) {
      int8_t* const row = plane + (row_of(out, y) - out.data);
      for (int x = 0; x < p.out_w; ++x)
        row[x] = static_cast<int8_t>(clamp(row[x], p.requant.clamp_min, p.requant.clamp_max));
    }
  }
}

// Fills the rows outside the input that a lone chunk has.
__attribute__((noinline)) inline void fill_borders(const DepthwiseParams& p, int begin, int end, const Planes& planes) {
  const int top = begin * p.stride_h - p.pad_top, rows = (end - begin - 1) * p.stride_h + 3;
  if (rows > kRows) return;
  for (int i = 0; i <= 2 * planes.words; ++i) {
    if (top < 0) planes.scratch[i * kRows] = static_cast<uint32_t>(planes.zero);
    if (top + rows > p.in_h) planes.scratch[i * kRows + rows - 1] = static_cast<uint32_t>(planes.zero);
  }
}

#endif

}  // namespace
}  // namespace vww

#endif  // VWW_NN_DEPTHWISE_CONV2D_ASSEMBLY_H_
