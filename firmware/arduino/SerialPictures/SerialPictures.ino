// Pictures over the serial port, results back: the firmware that `vww-deploy run`, `verify`, `bench` and `monitor` talk
// to. Upload it, close the Arduino IDE's serial monitor, then on the computer:
//
//   vww-deploy run photos/ --port /dev/ttyACM0 --model MODEL.tflite
//
// With the same MODEL that this library was made of. setup() and loop() are in firmware.cpp beside this file.
#include <vww_arduino.h>
#include <vww_model.h>
