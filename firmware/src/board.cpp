#if defined(ARDUINO_ARCH_MBED)
// Before Arduino.h, whose macro abs() breaks this header of GCC 12.
#include <chrono>

#include "USB/PluggableUSBSerial.h"
#include "drivers/Watchdog.h"
#endif

#include <vww_messages.h>

#include "board.h"

#if defined(ARDUINO_ARCH_STM32)
#include <IWatchdog.h>
#elif defined(ARDUINO_ARCH_RENESAS)
#include <WDT.h>
#endif

#if defined(ARDUINO_VWW_VIRTUAL)
#include "machine.h"
#elif defined(TEENSYDUINO)
// This core has names of its own for Arm's registers, and has started the counter.
#elif defined(__CORTEX_M) && __CORTEX_M >= 3
#define VWW_HAS_CYCLE_COUNTER
#endif

#if defined(ARDUINO_VWW_VIRTUAL)

// The emulator executes one instruction a nanosecond of its own time.
uint8_t board_clock_kind() { return vww::clock::kInstructions; }
uint32_t board_clock_hz() { return 1'000'000'000; }
void board_clock_begin() {}
uint32_t board_ticks() { return machine_instructions(); }

#elif defined(TEENSYDUINO)

uint8_t board_clock_kind() { return vww::clock::kCycles; }
uint32_t board_clock_hz() { return F_CPU_ACTUAL; }
void board_clock_begin() {}
uint32_t board_ticks() { return ARM_DWT_CYCCNT; }

#elif defined(VWW_HAS_CYCLE_COUNTER)

uint8_t board_clock_kind() { return vww::clock::kCycles; }
uint32_t board_clock_hz() { return SystemCoreClock; }
void board_clock_begin() {
  CoreDebug->DEMCR |= CoreDebug_DEMCR_TRCENA_Msk;
#if __CORTEX_M == 7
  // The Cortex-M7 locks the counter until this key is written.
  DWT->LAR = 0xC5ACCE55;
#endif
  DWT->CYCCNT = 0;
  DWT->CTRL |= DWT_CTRL_CYCCNTENA_Msk;
}
uint32_t board_ticks() { return DWT->CYCCNT; }

#else

uint8_t board_clock_kind() { return vww::clock::kMicros; }
uint32_t board_clock_hz() { return 1'000'000; }
void board_clock_begin() {}
uint32_t board_ticks() { return micros(); }

#endif

void board_reset() {
#if defined(ARDUINO_VWW_VIRTUAL)
  machine_reset();
#elif defined(ARDUINO_ARCH_ESP32) || defined(ARDUINO_ARCH_ESP8266)
  ESP.restart();
  for (;;) yield();
#elif defined(TEENSYDUINO)
  SCB_AIRCR = 0x05FA0004;  // the key, and SYSRESETREQ
  for (;;) {
  }
#else
  NVIC_SystemReset();
#endif
}

#if defined(ARDUINO_ARCH_STM32)
void board_watchdog_begin() { IWatchdog.begin(8'000'000); }
void board_watchdog_feed() { IWatchdog.reload(); }
#elif defined(ARDUINO_ARCH_MBED)
namespace {
#if defined(ARDUINO_ARCH_NRF52840)
// Started once, the nRF52's watchdog runs on through a restart into the bootloader, which does not feed it: longer than
// an upload takes, the host's waiting for ports and tools included.
constexpr uint32_t kWatchdogMs = 120'000;
#else
constexpr uint32_t kWatchdogMs = 8'000;
#endif
}  // namespace
void board_watchdog_begin() { mbed::Watchdog::get_instance().start(kWatchdogMs); }
void board_watchdog_feed() { mbed::Watchdog::get_instance().kick(); }
#elif defined(ARDUINO_ARCH_RENESAS)
// 5.6 s is the most that this one counts.
void board_watchdog_begin() { WDT.begin(5'000); }
void board_watchdog_feed() { WDT.refresh(); }
#else
void board_watchdog_begin() {}
void board_watchdog_feed() {}
#endif

void BoardPort::begin() { Serial.begin(VWW_BAUD); }

size_t BoardPort::write(const uint8_t* data, size_t size) {
#if defined(ARDUINO_ARCH_MBED)
  // This core's write() waits for ever for a host that has the port open and does not read. send_nb() takes up to a
  // packet and returns; it only reads from the buffer.
  uint32_t sent = 0;
  _SerialUSB.send_nb(const_cast<uint8_t*>(data), size, &sent);
  return sent;
#else
  const int room = Serial.availableForWrite();
  if (room <= 0) return 0;
  return Serial.write(data, size < static_cast<size_t>(room) ? size : static_cast<size_t>(room));
#endif
}
