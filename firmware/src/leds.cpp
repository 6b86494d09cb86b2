#include "leds.h"

#if defined(VWW_LEDS)

#include <Arduino.h>
#include <vww_model.h>

namespace {

// The colours of the Nano 33 BLE's and the Portenta's LED light when their pins are low.
constexpr int kOn = LOW;
constexpr int kOff = HIGH;

bool blink;

}  // namespace

void leds_begin() {
  pinMode(LED_BUILTIN, OUTPUT);
#if defined(LEDG) && defined(LEDR)
  pinMode(LEDG, OUTPUT);
  pinMode(LEDR, OUTPUT);
  digitalWrite(LEDG, kOff);
  digitalWrite(LEDR, kOff);
#endif
}

void leds_show(const int8_t* outputs) {
  // Two outputs are compared, a single one with its middle: the quantised value of one half.
  const bool person = VWW_MODEL_OUTPUT_BYTES > 1
                          ? outputs[VWW_MODEL_OUTPUT_BYTES - 1] > outputs[0]
                          : (outputs[0] - VWW_MODEL_OUTPUT_ZERO_POINT) * VWW_MODEL_OUTPUT_SCALE > 0.5f;
  blink = !blink;
  digitalWrite(LED_BUILTIN, blink ? HIGH : LOW);
#if defined(LEDG) && defined(LEDR)
  digitalWrite(LEDG, person ? kOn : kOff);
  digitalWrite(LEDR, person ? kOff : kOn);
#else
  (void)person;
  (void)kOn;
  (void)kOff;
#endif
}

#endif  // VWW_LEDS
