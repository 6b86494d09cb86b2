// What differs between boards beyond the Arduino API: the clock that measures, the restart, a write that never waits.
#pragma once

#include <Arduino.h>
#include <vww_tx_buffer.h>

#ifndef VWW_BOARD_NAME
#error "the environment in platformio.ini names the board: -DVWW_BOARD_NAME=..."
#endif

#ifndef VWW_BAUD
#define VWW_BAUD 115200
#endif

/// What `board_ticks` counts, a value of vww::clock, and how often a second.
uint8_t board_clock_kind();
uint32_t board_clock_hz();
void board_clock_begin();
uint32_t board_ticks();

[[noreturn]] void board_reset();

/// Restarts the board when board_watchdog_feed() is not called for longer than any inference takes, on cores that have
/// a watchdog (docs/boards.md has them and their times).
void board_watchdog_begin();
void board_watchdog_feed();

/// The port to the host.
class BoardPort final : public vww::Port {
 public:
  void begin();
  int read() override { return Serial.read(); }
  size_t write(const uint8_t* data, size_t size) override;
  uint32_t milliseconds() override { return millis(); }
};
