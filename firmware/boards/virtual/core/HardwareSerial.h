// A UART with a receive ring that its interrupt fills.
#pragma once

#include "Stream.h"

class HardwareSerial final : public Stream {
 public:
  /// `registers`: address of the USART, `interrupt`: its number; `buffer` of `size` bytes, a power of two.
  constexpr HardwareSerial(uint32_t registers, int interrupt, uint8_t* buffer, uint32_t size)
      : registers_(registers), interrupt_(interrupt), buffer_(buffer), mask_(size - 1) {}

  void begin(unsigned long baud);
  void end();
  explicit operator bool() const { return true; }

  int available() override;
  int read() override;
  int peek() override;
  /// The emulated UART takes every byte at once, so this is only what one call should send at most.
  int availableForWrite() override { return 4096; }
  size_t write(uint8_t value) override;
  using Print::write;

  /// Takes what the UART received; a full ring leaves it in the UART, which then holds the sender back: nothing is
  /// lost.
  void receive_interrupt();

 private:
  uint32_t registers_;
  int interrupt_;
  uint8_t* buffer_;
  uint32_t mask_;
  volatile uint32_t head_ = 0;
  volatile uint32_t tail_ = 0;
};

/// The tty.
extern HardwareSerial Serial;
/// The virtual camera.
extern HardwareSerial Serial1;
