// The board's serial ports: bytes go to and from the host in bulk, the emulated UART only says that some are there.
//
// QEMU hands a UART one byte at a time, each with a round trip between two of its threads. So this one takes the first
// byte, rings with its interrupt, and holds up the rest, which the firmware then reads from the host's file by
// semihosting. A call of that kind stops the whole machine until it returns; the file never makes it wait.
#pragma once

#include "Stream.h"

class HardwareSerial final : public Stream {
 public:
  /// `registers`: address of the USART, `interrupt`: its number; `buffer` of `size` bytes.
  constexpr HardwareSerial(uint32_t registers, int interrupt, uint8_t* buffer, uint32_t size)
      : registers_(registers), interrupt_(interrupt), buffer_(buffer), size_(size) {}

  void begin(unsigned long baud);
  void end();
  explicit operator bool() const { return true; }

  int available() override;
  int read() override;
  int peek() override;
  /// What one call should send at most; a write waits until the host has taken everything.
  int availableForWrite() override { return 4096; }
  size_t write(uint8_t value) override { return write(&value, 1); }
  size_t write(const uint8_t* data, size_t size) override;
  using Print::write;

  /// A byte is in the UART. It stays there, and the interrupt masked, until what the buffer holds has been read.
  void receive_interrupt();

 private:
  void fill();

  uint32_t registers_;
  int interrupt_;
  uint8_t* buffer_;
  uint32_t size_;
  uint32_t next_ = 0;
  uint32_t end_ = 0;
  int from_host_ = -1;
  int to_host_ = -1;
  volatile bool rung_ = false;
};

/// A UART with a receive ring that its interrupt fills, byte by byte.
class RingSerial final : public Stream {
 public:
  /// `registers`: address of the USART, `interrupt`: its number; `buffer` of `size` bytes, a power of two.
  constexpr RingSerial(uint32_t registers, int interrupt, uint8_t* buffer, uint32_t size)
      : registers_(registers), interrupt_(interrupt), buffer_(buffer), mask_(size - 1) {}

  void begin(unsigned long baud);
  void end();
  explicit operator bool() const { return true; }

  int available() override;
  int read() override;
  int peek() override;
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
extern RingSerial Serial1;
