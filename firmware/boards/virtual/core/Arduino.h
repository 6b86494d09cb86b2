// The part of the Arduino API that this board has: time, pins, two serial ports.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "HardwareSerial.h"

#define HIGH 1
#define LOW 0
#define INPUT 0
#define OUTPUT 1
#define INPUT_PULLUP 2
// Pins exist as a memory of what was written to them; there is nothing to see.
#define LED_BUILTIN 13
#define F(text) (text)

using byte = uint8_t;

uint32_t millis();
uint32_t micros();
void delay(uint32_t ms);
void delayMicroseconds(uint32_t us);
inline void yield() {}
inline void interrupts() { asm volatile("cpsie i" ::: "memory"); }
inline void noInterrupts() { asm volatile("cpsid i" ::: "memory"); }
void pinMode(int pin, int mode);
void digitalWrite(int pin, int level);
int digitalRead(int pin);

// The sketch.
void setup();
void loop();
