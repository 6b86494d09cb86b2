// Words that assembly keeps beside the 14 core registers, by number: in the floating-point registers s0-s15, which a
// function may use freely, where there are any (VMOV takes one cycle, LDR two); otherwise on the stack from sp on.
#ifndef VWW_NN_SLOTS_H_
#define VWW_NN_SLOTS_H_

#if defined(__ARM_FP)

#define VWW_TAKE(reg, slot) "vmov " #reg ", s" #slot "\n"
#define VWW_PUT(slot, reg) "vmov s" #slot ", " #reg "\n"

#else

#define VWW_TAKE(reg, slot) "ldr " #reg ", [sp, #4 * " #slot "]\n"
#define VWW_PUT(slot, reg) "str " #reg ", [sp, #4 * " #slot "]\n"

#endif

#endif  // VWW_NN_SLOTS_H_
