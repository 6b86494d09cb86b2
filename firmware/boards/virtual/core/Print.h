// Text and numbers to anything that takes bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#define DEC 10
#define HEX 16

class Print {
 public:
  virtual size_t write(uint8_t value) = 0;
  virtual size_t write(const uint8_t* data, size_t size);
  virtual int availableForWrite() { return 0; }
  virtual void flush() {}
  size_t write(const char* text) { return write(text, strlen(text)); }
  size_t write(const char* text, size_t size) { return write(reinterpret_cast<const uint8_t*>(text), size); }

  size_t print(const char* text) { return write(text); }
  size_t print(char value) { return write(static_cast<uint8_t>(value)); }
  size_t print(int value, int base = DEC) { return print(static_cast<long>(value), base); }
  size_t print(unsigned value, int base = DEC) { return print(static_cast<unsigned long>(value), base); }
  size_t print(long value, int base = DEC);
  size_t print(unsigned long value, int base = DEC);
  size_t print(double value, int digits = 2);
  size_t println() { return write("\r\n", 2); }
  template <typename... Arguments>
  size_t println(Arguments... arguments) {
    const size_t written = print(arguments...);
    return written + println();
  }

 protected:
  ~Print() = default;
};
