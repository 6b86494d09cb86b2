#include "Print.h"

size_t Print::write(const uint8_t* data, size_t size) {
  size_t written = 0;
  while (written < size && write(data[written]) == 1) written++;
  return written;
}

size_t Print::print(long value, int base) {
  if (value >= 0 || base != DEC) return print(static_cast<unsigned long>(value), base);
  return print('-') + print(0ul - static_cast<unsigned long>(value), base);
}

size_t Print::print(unsigned long value, int base) {
  char digits[8 * sizeof(value)];
  size_t at = sizeof(digits);
  do {
    const auto digit = static_cast<char>(value % static_cast<unsigned>(base));
    digits[--at] = static_cast<char>(digit < 10 ? '0' + digit : 'A' + digit - 10);
    value /= static_cast<unsigned>(base);
  } while (value != 0);
  return write(digits + at, sizeof(digits) - at);
}

size_t Print::print(double value, int digits) {
  size_t written = value < 0 ? print('-') : 0;
  double rest = value < 0 ? -value : value;
  double half = 0.5;
  for (int i = 0; i < digits; i++) half /= 10;
  rest += half;
  const auto whole = static_cast<unsigned long>(rest);
  rest -= static_cast<double>(whole);
  written += print(whole);
  if (digits > 0) written += print('.');
  for (int i = 0; i < digits; i++) {
    rest *= 10;
    const auto digit = static_cast<int>(rest);
    written += print(static_cast<char>('0' + digit));
    rest -= digit;
  }
  return written;
}
