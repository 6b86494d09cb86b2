// The registers of the emulated STM32F405 that this core uses, and what it does with them.
// QEMU models USART, TIM, SysTick and NVIC; clocks, GPIO and DWT are not modelled.
#pragma once

#include <cstddef>
#include <cstdint>

constexpr int kSysTickException = 15;
constexpr int kUsart1Interrupt = 37;
constexpr int kUsart2Interrupt = 38;

inline volatile uint32_t& reg(uint32_t address) { return *reinterpret_cast<volatile uint32_t*>(address); }

#define kCpacr reg(0xE000ED88u)

inline void nvic_enable(int interrupt) { reg(0xE000E100u + 4u * (interrupt / 32)) = 1u << (interrupt % 32); }
inline void nvic_disable(int interrupt) { reg(0xE000E180u + 4u * (interrupt / 32)) = 1u << (interrupt % 32); }

/// Starts the free-running instruction counter and the idle tick.
void machine_begin();
/// Sleeps until the next interrupt when there is nothing to read; called after every loop().
void machine_idle();
/// Starts the firmware again, as the reset button would.
[[noreturn]] void machine_reset();
/// Writes to the console's UART without any state, so that it works in a fault handler.
void uart_write_text(const char* text);

/// The files of the host that a semihosting call can open without a name; both are the tty, and no call on them waits.
enum class HostFile : uint32_t { kInput = 0, kOutput = 4 };
/// A handle for host_read() and host_write().
int host_open(HostFile file);
/// Bytes read into `data`, at most `size`; 0 when none are there.
size_t host_read(int handle, uint8_t* data, size_t size);
/// Bytes of `data` that the host took; 0 when it has no room.
size_t host_write(int handle, const uint8_t* data, size_t size);

/// Instructions since the start, interrupt handlers not counted; with -icount shift=0 one instruction is one
/// nanosecond.
extern "C" uint32_t machine_instructions();
