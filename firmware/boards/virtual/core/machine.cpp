#include "machine.h"

#include "Arduino.h"

namespace {

#define kTim2Count reg(0x40000024u)
#define kSysTickControl reg(0xE000E010u)
#define kSysTickReload reg(0xE000E014u)
#define kSysTickValue reg(0xE000E018u)
#define kAircr reg(0xE000ED0Cu)
#define kUsart1Status reg(0x40011000u)
#define kUsart1Data reg(0x40011004u)

// SysTick runs at the machine's 168 MHz; 10 ms is often enough for what waits on time, and rare enough to cost the host
// nothing.
constexpr uint32_t kIdleTick = 1'680'000;

// TIM2 counts at 1 GHz and is 32 bits wide: the high word is kept here, by whoever asks at least every four seconds
// (loop does).
uint32_t last_count;
uint32_t wraps;

uint64_t nanoseconds() {
  noInterrupts();
  const uint32_t now = kTim2Count;
  if (now < last_count) wraps++;
  last_count = now;
  const uint64_t result = (static_cast<uint64_t>(wraps) << 32) | now;
  interrupts();
  return result;
}

}  // namespace

extern "C" {

__attribute__((used)) volatile uint32_t instructions_in_handlers;

uint32_t machine_instructions() {
  noInterrupts();
  const uint32_t result = kTim2Count - instructions_in_handlers;
  interrupts();
  return result;
}

void receive_console() { Serial.receive_interrupt(); }
void receive_camera() { Serial1.receive_interrupt(); }

// The handlers add their own instructions to instructions_in_handlers: what TIM2 counts between its two readings, and
// the eleven around them (three up to the first reading, eight after the second). In assembly, so that no compiler
// changes that.
#define COUNTED_HANDLER(name, work)                     \
  __attribute__((naked)) void name() {                  \
    asm volatile(                                       \
        "push {r4, lr}\n"                               \
        "mov.w r4, #0x40000000\n"                       \
        "ldr r4, [r4, #0x24]\n"                         \
        "bl " #work                                     \
        "\n"                                            \
        "mov.w r1, #0x40000000\n"                       \
        "ldr r1, [r1, #0x24]\n"                         \
        "movw r0, #:lower16:instructions_in_handlers\n" \
        "movt r0, #:upper16:instructions_in_handlers\n" \
        "ldr r2, [r0]\n"                                \
        "subs r1, r1, r4\n"                             \
        "add r2, r2, r1\n"                              \
        "adds r2, #11\n"                                \
        "str r2, [r0]\n"                                \
        "pop {r4, pc}\n");                              \
  }

COUNTED_HANDLER(Usart1_Handler, receive_console)
COUNTED_HANDLER(Usart2_Handler, receive_camera)

// Only here to wake the core from its sleep.
__attribute__((naked)) void SysTick_Handler() {
  asm volatile(
      "movw r0, #:lower16:instructions_in_handlers\n"
      "movt r0, #:upper16:instructions_in_handlers\n"
      "ldr r1, [r0]\n"
      "adds r1, #6\n"
      "str r1, [r0]\n"
      "bx lr\n");
}
}

void machine_begin() {
  kSysTickReload = kIdleTick - 1;
  kSysTickValue = 0;
  kSysTickControl = 7;
  nvic_enable(kUsart1Interrupt);
  nvic_enable(kUsart2Interrupt);
  interrupts();
}

void machine_idle() {
  nanoseconds();
  // With interrupts masked a byte that comes between the question and the sleep still ends the sleep.
  noInterrupts();
  if (Serial.available() == 0 && Serial1.available() == 0) asm volatile("wfi");
  interrupts();
}

void machine_reset() {
  kAircr = 0x05FA0004;
  for (;;) {
  }
}

void uart_write_text(const char* text) {
  for (; *text != 0; text++) kUsart1Data = static_cast<uint8_t>(*text);
}

namespace {

// Operations of "Semihosting for AArch32 and AArch64" (Arm).
constexpr int kSysOpen = 0x01;
constexpr int kSysWrite = 0x05;
constexpr int kSysRead = 0x06;

__attribute__((naked, noinline)) int semihosting(int, const void*) { asm volatile("bkpt 0xAB\n bx lr\n"); }

// Reading and writing answer with the bytes that are left.
size_t transfer(int operation, int handle, const uint8_t* data, size_t size) {
  const uint32_t arguments[] = {static_cast<uint32_t>(handle), reinterpret_cast<uint32_t>(data), size};
  asm volatile("" ::: "memory");
  const auto left = static_cast<size_t>(semihosting(operation, arguments));
  asm volatile("" ::: "memory");
  return left > size ? 0 : size - left;
}

}  // namespace

int host_open(HostFile file) {
  static const char name[] = ":tt";
  const uint32_t arguments[] = {reinterpret_cast<uint32_t>(name), static_cast<uint32_t>(file), sizeof(name) - 1};
  asm volatile("" ::: "memory");
  return semihosting(kSysOpen, arguments);
}

size_t host_read(int handle, uint8_t* data, size_t size) { return transfer(kSysRead, handle, data, size); }
size_t host_write(int handle, const uint8_t* data, size_t size) { return transfer(kSysWrite, handle, data, size); }

uint32_t micros() { return static_cast<uint32_t>(nanoseconds() / 1000); }
uint32_t millis() { return static_cast<uint32_t>(nanoseconds() / 1'000'000); }

void delayMicroseconds(uint32_t us) {
  const uint32_t start = micros();
  while (micros() - start < us) {
  }
}

void delay(uint32_t ms) {
  const uint32_t start = millis();
  while (millis() - start < ms) yield();
}

namespace {
uint32_t pin_levels;
}

void pinMode(int, int) {}
void digitalWrite(int pin, int level) {
  const uint32_t mask = 1u << (pin & 31);
  pin_levels = level == LOW ? pin_levels & ~mask : pin_levels | mask;
}
int digitalRead(int pin) { return (pin_levels >> (pin & 31)) & 1 ? HIGH : LOW; }
