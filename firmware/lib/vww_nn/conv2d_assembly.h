// A block of three or four gathered pixels by all output channels, in assembly for cores with the DSP extension.
#ifndef VWW_NN_CONV2D_ASSEMBLY_H_
#define VWW_NN_CONV2D_ASSEMBLY_H_

#include <stdint.h>

#include "slots.h"

namespace vww {

// What the multiplication of a block needs; out is its first pixel in channel 0.
struct BlockArguments {
  const uint32_t* gathered;
  const uint32_t* end;      // of the gathered words
  int32_t entry;            // bytes of the assembly's unrolled loop to skip at first
  int32_t rounding_offset;  // 512 * the output's zero point + 256
  int8_t* out;
  int32_t channel_stride;
  int32_t channels;
};

#if defined(__ARM_FEATURE_DSP)

// Saturates to -128..127; for combined weights. Returns the end of the channels' constants, which r0 comes to. Two
// channels by four (three) pixels take 8 (6) accumulators; with weights, pixels and pointers all 14 registers are in
// use, and the arguments lie in slots. The same in C++ with intrinsics takes 1.25 instructions and 1.68 cycles per MAC
// from 128 to 128 channels at 6x6 (gcc 12 spills accumulators in the loop).
//
// r0 constants, r1 gathered words, r2 r3 weights; pixels r12 lr (r7 r12 lr); accumulators r4-r7 and r8-r11 (r4-r6 and
// r8-r10). Slots: BlockArguments' members in their order.
#define VWW_MACROS                           \
  ".macro product a0, a1, x, from0, from1\n" \
  "smlad \\a0, \\x, r2, \\from0\n"           \
  "smlad \\a1, \\x, r3, \\from1\n"           \
  ".endm\n"                                  \
  ".macro fuse a, multiplier\n"              \
  "smmla \\a, \\a, \\multiplier, r12\n"      \
  "ssat \\a, #8, \\a, asr #9\n"              \
  ".endm\n"                                  \
  ".macro high a, multiplier\n"              \
  "smmlar \\a, \\a, \\multiplier, \\a\n"     \
  "add.w \\a, \\a, \\a, asr #31\n"           \
  ".endm\n"                                  \
  ".macro round a, power\n"                  \
  "smmlar \\a, \\a, \\power, r12\n"          \
  "ssat \\a, #8, \\a\n"                      \
  ".endm\n"
#define VWW_NO_MACROS ".purgem product\n .purgem fuse\n .purgem high\n .purgem round\n .purgem step\n"
#if defined(__ARM_FP)
#define VWW_PROLOGUE              \
  "push {r4-r11, lr}\n"           \
  "vldm r1, {s0-s6}\n"            \
  "1:\n" /* a pair of channels */ \
      VWW_TAKE(r1, 0)
#define VWW_EPILOGUE "pop {r4-r11, pc}\n"
#else
#define VWW_PROLOGUE              \
  "push {r4-r11, lr}\n"           \
  "ldm r1, {r2-r8}\n"             \
  "push {r2-r8}\n"                \
  "1:\n" /* a pair of channels */ \
      VWW_TAKE(r1, 0)
#define VWW_EPILOGUE "add sp, #28\n pop {r4-r11, pc}\n"
#endif
// Into the unrolled loop, so far from its end as there are steps left over.
#define VWW_ENTER  \
  VWW_TAKE(r12, 2) \
  "add pc, r12\n"  \
  "nop.n\n"        \
  "2:\n"
#define VWW_REPEAT \
  VWW_TAKE(r12, 1) \
  "cmp r1, r12\n"  \
  "bne.w 2b\n"
// Two multipliers: negative ones are doubled Q31, not of the fused form.
#define VWW_MULTIPLIERS \
  "ldr r2, [r0], #4\n"    \
  "ldr r3, [r0], #4\n"    \
  VWW_TAKE(r12, 3)        \
  VWW_TAKE(r1, 4)         \
  "orrs lr, r2, r3\n"     \
  "bmi 5f\n"
// From exponents to powers of two, and the zero point.
#define VWW_POWERS                            \
  "ldr r3, [r0], #4\n"                        \
  "mov lr, #1\n"                              \
  "asr r12, r12, #9\n"                        \
  "lsl r2, lr, r3\n" /* by the lowest byte */ \
  "lsr r3, r3, #8\n"                          \
  "lsl r3, lr, r3\n"
// The flags live until the next pair.
#define VWW_SECOND_CHANNEL \
  VWW_TAKE(r2, 6)          \
  VWW_TAKE(lr, 5)          \
  "subs r2, r2, #2\n"      \
  "bmi 4f\n" VWW_PUT(6, r2) "add r1, r1, lr\n"
#define VWW_NEXT_PAIR \
  "add r1, r1, lr\n"   \
  VWW_PUT(4, r1)       \
  "bgt.w 1b\n"         \
  "4:\n"

constexpr int kUnroll4 = 32, kStepBytes4 = 52;
constexpr int kUnroll3 = 16, kStepBytes3 = 44;

__attribute__((naked, noinline)) inline const int8_t* multiply4(const int8_t* /*constants*/,
                                                                const BlockArguments* /*arguments*/) {
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
               ".rept 32\n"
               "step r4, r8, r5, r9, r6, r10\n"
               ".endr\n"                                                                                     //
               VWW_REPEAT "sub.w r8, r8, r4\n sub.w r9, r9, r5\n sub.w r10, r10, r6\n sub.w r11, r11, r7\n"  //
               VWW_MULTIPLIERS
               "ror.w r4, r4, #24\n ror.w r5, r5, #24\n ror.w r6, r6, #24\n ror.w r7, r7, #24\n"
               "fuse r4, r2\n fuse r5, r2\n fuse r6, r2\n fuse r7, r2\n"
               "fuse r8, r3\n fuse r9, r3\n fuse r10, r3\n fuse r11, r3\n"
               "3:\n"
               "strb r4, [r1]\n strb r5, [r1, #1]\n strb r6, [r1, #2]\n strb r7, [r1, #3]\n"  //
               VWW_SECOND_CHANNEL
               "strb.w r8, [r1]\n strb.w r9, [r1, #1]\n strb.w r10, [r1, #2]\n strb.w r11, [r1, #3]\n"  //
               VWW_NEXT_PAIR VWW_EPILOGUE
               "5:\n"
               "asr.w r8, r8, #8\n asr.w r9, r9, #8\n asr.w r10, r10, #8\n asr.w r11, r11, #8\n"
               "high r4, r2\n high r5, r2\n high r6, r2\n high r7, r2\n"
               "high r8, r3\n high r9, r3\n high r10, r3\n high r11, r3\n"  //
               VWW_POWERS
               "round r4, r2\n round r5, r2\n round r6, r2\n round r7, r2\n"
               "round r8, r3\n round r9, r3\n round r10, r3\n round r11, r3\n"
               "b.w 3b\n"  //
               VWW_NO_MACROS);
}

__attribute__((naked, noinline)) inline const int8_t* multiply3(const int8_t* /*constants*/,
                                                                const BlockArguments* /*arguments*/) {
  asm volatile(VWW_MACROS
               ".macro step a00, a10, a01, a11\n"
               "ldr.w r3, [r0], #4\n"
               "ldr.w r7, [r1], #12\n"
               "ldr.w r12, [r1, #-8]\n"
               "ldr.w lr, [r1, #-4]\n"
               "sxtb16.w r2, r3\n"
               "product r4, r8, r7, \\a00, \\a10\n"
               "product r5, r9, r12, \\a01, \\a11\n"
               "product r6, r10, lr, r6, r10\n"
               ".endm\n"  //
               VWW_PROLOGUE
               "ldr r6, [r0], #4\n"
               "ldr r10, [r0], #4\n"
               "step r6, r10, r6, r10\n"  //
               VWW_ENTER
               ".rept 16\n"
               "step r4, r8, r5, r9\n"
               ".endr\n"                                                                //
               VWW_REPEAT "sub.w r8, r8, r4\n sub.w r9, r9, r5\n sub.w r10, r10, r6\n"  //
               VWW_MULTIPLIERS
               "ror.w r4, r4, #24\n ror.w r5, r5, #24\n ror.w r6, r6, #24\n"
               "fuse r4, r2\n fuse r5, r2\n fuse r6, r2\n"
               "fuse r8, r3\n fuse r9, r3\n fuse r10, r3\n"
               "3:\n"
               "strb r4, [r1]\n strb r5, [r1, #1]\n strb r6, [r1, #2]\n"                            //
               VWW_SECOND_CHANNEL "strb.w r8, [r1]\n strb.w r9, [r1, #1]\n strb.w r10, [r1, #2]\n"  //
               VWW_NEXT_PAIR VWW_EPILOGUE
               "5:\n"
               "asr.w r8, r8, #8\n asr.w r9, r9, #8\n asr.w r10, r10, #8\n"
               "high r4, r2\n high r5, r2\n high r6, r2\n"
               "high r8, r3\n high r9, r3\n high r10, r3\n"  //
               VWW_POWERS
               "round r4, r2\n round r5, r2\n round r6, r2\n"
               "round r8, r3\n round r9, r3\n round r10, r3\n"
               "b.w 3b\n"  //
               VWW_NO_MACROS);
}

#undef VWW_MACROS
#undef VWW_NO_MACROS
#undef VWW_PROLOGUE
#undef VWW_EPILOGUE
#undef VWW_ENTER
#undef VWW_REPEAT
#undef VWW_MULTIPLIERS
#undef VWW_POWERS
#undef VWW_SECOND_CHANNEL
#undef VWW_NEXT_PAIR

// Bytes of the unrolled loop to skip for so many pairs of taps.
inline int entry_bytes(int pixels, int pairs) {
  const int last_step = pixels == 4 ? kUnroll4 - 1 : kUnroll3 - 1;  // both are powers of two
  return (last_step + 1 - ((pairs - 1) & last_step)) * (pixels == 4 ? kStepBytes4 : kStepBytes3);
}

#else

inline int entry_bytes(int /*pixels*/, int /*pairs*/) { return 0; }

#endif

}  // namespace vww

#endif  // VWW_NN_CONV2D_ASSEMBLY_H_
