// What a passer-by sees of the results, for builds with -DVWW_LEDS: green for a person, red (or none) for nobody, a
// blink of the board's own LED for every inference.
#pragma once

#include <cstdint>

#if defined(VWW_LEDS)
void leds_begin();
/// `outputs`: of the model, no person first.
void leds_show(const int8_t* outputs);
#else
inline void leds_begin() {}
inline void leds_show(const int8_t*) {}
#endif
