// The least that a Cortex-M4F needs to run main() and to speak to the host by semihosting.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

extern "C" {

extern uint32_t harness_stack_top, harness_data_load, harness_data_begin, harness_data_end, harness_bss_begin, harness_bss_end;
int main();

[[noreturn]] void harness_reset();

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
  *reinterpret_cast<volatile uint32_t*>(0xE000ED88) |= 0xF00000;  // the floating-point unit on
  asm volatile("dsb\n isb");
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
