// The least that an Arm Cortex-M or a RISC-V core needs to run main() and to speak to the host by semihosting.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

extern "C" {

extern uint32_t harness_stack_top, harness_data_load, harness_data_begin, harness_data_end, harness_bss_begin, harness_bss_end;
int main();

[[noreturn]] void harness_reset();

#if defined(__riscv)

// The machine jumps to the first address of its memory.
__attribute__((section(".vectors"), naked, used)) void harness_start() {
  asm volatile("la sp, harness_stack_top\n j harness_reset");
}

static int semihosting(int operation, const void* argument) {
  register int a0 asm("a0") = operation;
  register const void* a1 asm("a1") = argument;
  asm volatile(
      ".option push\n.option norvc\n.option norelax\nslli zero, zero, 0x1f\n ebreak\n srai zero, zero, 7\n.option pop"
      : "+r"(a0)
      : "r"(a1)
      : "memory");
  return a0;
}

static void prepare_core() {}

#else

__attribute__((section(".vectors"), used)) const void* const harness_vectors[16] = {
    &harness_stack_top,
    reinterpret_cast<const void*>(harness_reset),
};

static int semihosting(int operation, const void* argument) {
  register int r0 asm("r0") = operation;
  register const void* r1 asm("r1") = argument;
  asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

static void prepare_core() {
#if defined(__ARM_FP)
  *reinterpret_cast<volatile uint32_t*>(0xE000ED88) |= 0xF00000;  // the floating-point unit on
  asm volatile("dsb\n isb");
#endif
}

#endif

// Writes bytes to the host's standard output.
void harness_write(const void* data, size_t size) {
  static int handle = -1;
  if (handle < 0) {
    static const char kConsole[] = ":tt";
    const uintptr_t open[] = {reinterpret_cast<uintptr_t>(kConsole), 4, sizeof kConsole - 1};  // mode 4: write
    handle = semihosting(0x01, open);
  }
  const uintptr_t write[] = {static_cast<uintptr_t>(handle), reinterpret_cast<uintptr_t>(data), size};
  semihosting(0x05, write);
}

// Regions that the profiler counts lie between calls of these two.
__attribute__((noinline)) void harness_begin() { asm volatile(""); }
__attribute__((noinline)) void harness_end() { asm volatile(""); }

void harness_reset() {
  prepare_core();
  memcpy(&harness_data_begin, &harness_data_load,
         static_cast<size_t>(reinterpret_cast<char*>(&harness_data_end) - reinterpret_cast<char*>(&harness_data_begin)));
  memset(&harness_bss_begin, 0,
         static_cast<size_t>(reinterpret_cast<char*>(&harness_bss_end) - reinterpret_cast<char*>(&harness_bss_begin)));
  main();
  semihosting(0x18, reinterpret_cast<const void*>(0x20026));  // the application exited
  for (;;) {
  }
}

}  // extern "C"
