// From reset to setup() and loop(), and what happens on a fault.
#include <cstdint>

#include "Arduino.h"
#include "machine.h"

extern "C" {
extern uint32_t _estack, _sidata, _sdata, _edata, _sbss, _ebss;
void __libc_init_array();
void Reset_Handler();
void Fault_Handler();
void Usart1_Handler();
void Usart2_Handler();
void SysTick_Handler();
// Referenced by newlib's start-up code; nothing to do here.
void _init() {}
void _fini() {}
}

namespace {

constexpr int kExceptions = 16;
constexpr int kInterrupts = 82;

struct VectorTable {
  void* stack;
  void (*handlers[kExceptions - 1 + kInterrupts])();
};

constexpr VectorTable make_vectors() {
  VectorTable table{&_estack, {}};
  for (auto& handler : table.handlers) handler = Fault_Handler;
  table.handlers[0] = Reset_Handler;
  table.handlers[kSysTickException - 1] = SysTick_Handler;
  table.handlers[kExceptions - 1 + kUsart1Interrupt] = Usart1_Handler;
  table.handlers[kExceptions - 1 + kUsart2Interrupt] = Usart2_Handler;
  return table;
}

}  // namespace

extern "C" {

extern const VectorTable vectors;
__attribute__((section(".vectors"), used)) const VectorTable vectors = make_vectors();

void Reset_Handler() {
  const uint32_t* from = &_sidata;
  for (uint32_t* to = &_sdata; to < &_edata;) *to++ = *from++;
  for (uint32_t* to = &_sbss; to < &_ebss;) *to++ = 0;
  kCpacr |= 0xFu << 20;  // the FPU, before any code that the compiler may give float registers to
  asm volatile("dsb\n isb" ::: "memory");
  __libc_init_array();
  machine_begin();
  setup();
  for (;;) {
    loop();
    machine_idle();
  }
}

// Says where it happened and starts again: a board that hangs silently helps nobody.
__attribute__((used)) void report_fault(const uint32_t* frame) {
  uart_write_text("\r\nfault: pc 0x");
  const uint32_t pc = frame[6];
  char digits[9] = {};
  for (int i = 0; i < 8; i++) digits[i] = "0123456789abcdef"[(pc >> (28 - 4 * i)) & 15];
  uart_write_text(digits);
  uart_write_text(", restarting\r\n");
  machine_reset();
}

__attribute__((naked)) void Fault_Handler() {
  asm volatile(
      "mrs r0, msp\n"
      "b report_fault\n");
}
}
