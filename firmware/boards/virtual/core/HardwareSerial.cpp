#include "HardwareSerial.h"

#include "machine.h"

namespace {

constexpr uint32_t kStatus = 0x00;
constexpr uint32_t kData = 0x04;
constexpr uint32_t kControl1 = 0x0C;
constexpr uint32_t kReceiveNotEmpty = 1u << 5;
constexpr uint32_t kEnable = (1u << 13) | (1u << 3) | (1u << 2);  // UE, TE, RE
constexpr uint32_t kReceiveInterrupt = 1u << 5;

// A few chunks of an upload: what arrives while a layer runs waits here.
uint8_t console_ring[4096];
uint8_t camera_ring[2048];

}  // namespace

HardwareSerial Serial(0x40011000u, kUsart1Interrupt, console_ring, sizeof(console_ring));
RingSerial Serial1(0x40004400u, kUsart2Interrupt, camera_ring, sizeof(camera_ring));

void HardwareSerial::begin(unsigned long) {
  from_host_ = host_open(HostFile::kInput);
  to_host_ = host_open(HostFile::kOutput);
  reg(registers_ + kControl1) = kEnable | kReceiveInterrupt;
}

void HardwareSerial::end() { reg(registers_ + kControl1) = 0; }

void HardwareSerial::receive_interrupt() {
  if ((reg(registers_ + kStatus) & kReceiveNotEmpty) == 0) return;
  // Masked in the NVIC: the emulated UART holds its interrupt up as long as the byte waits, whatever its own enable bit
  // says, and the handler would never come to an end.
  nvic_disable(interrupt_);
  rung_ = true;
}

void HardwareSerial::fill() {
  if (!rung_) return;
  // What followed the UART's byte is read first: once that byte is taken, QEMU fetches the next one.
  end_ = 1 + host_read(from_host_, buffer_ + 1, size_ - 1);
  next_ = 0;
  rung_ = false;
  buffer_[0] = static_cast<uint8_t>(reg(registers_ + kData));
  nvic_enable(interrupt_);
}

int HardwareSerial::available() {
  if (next_ == end_) fill();
  return static_cast<int>(end_ - next_);
}

int HardwareSerial::peek() { return available() == 0 ? -1 : buffer_[next_]; }

int HardwareSerial::read() { return available() == 0 ? -1 : buffer_[next_++]; }

size_t HardwareSerial::write(const uint8_t* data, size_t size) {
  size_t written = 0;
  while (written < size) {
    const size_t taken = host_write(to_host_, data + written, size - written);
    written += taken;
    // The tty is full; the next interrupt, at the latest the idle tick, is soon enough to try again.
    if (taken == 0) asm volatile("wfi");
  }
  return written;
}

void RingSerial::begin(unsigned long) { reg(registers_ + kControl1) = kEnable | kReceiveInterrupt; }
void RingSerial::end() { reg(registers_ + kControl1) = 0; }

void RingSerial::receive_interrupt() {
  if ((reg(registers_ + kStatus) & kReceiveNotEmpty) == 0) return;
  const uint32_t head = head_;
  if (((head + 1) & mask_) == tail_) {
    // Masked in the NVIC: the emulated UART holds its interrupt up as long as a byte waits, whatever its own enable bit
    // says, and the handler would never come to an end.
    nvic_disable(interrupt_);
    return;
  }
  buffer_[head] = static_cast<uint8_t>(reg(registers_ + kData));
  head_ = (head + 1) & mask_;
}

int RingSerial::available() { return static_cast<int>((head_ - tail_) & mask_); }

int RingSerial::peek() { return head_ == tail_ ? -1 : buffer_[tail_]; }

int RingSerial::read() {
  const uint32_t tail = tail_;
  if (head_ == tail) return -1;
  const uint8_t value = buffer_[tail];
  tail_ = (tail + 1) & mask_;
  // The ring may have been full, and the interrupt masked.
  if (static_cast<uint32_t>(available()) == mask_ / 2) nvic_enable(interrupt_);
  return value;
}

size_t RingSerial::write(uint8_t value) {
  reg(registers_ + kData) = value;
  return 1;
}
