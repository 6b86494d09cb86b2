// The camera's picture, the model, an LED: green for a person, red for nobody. No computer needed once it is uploaded;
// the serial monitor (115200) tells what the board sees and how long it takes.
//
// On the Tiny Machine Learning Kit (Nano 33 BLE with an OV7675): install "Arduino_OV767X" with the Library Manager
// first. That library's register headers are under GPL-2.0: whoever passes the built firmware on passes it on under
// that licence.
#if defined(ARDUINO_ARDUINO_NANO33BLE)
#include <Arduino_OV767X.h>
#endif
#include <vww_arduino.h>

#include <camera.h>
#include <vww_model.h>
#include <vww_model_card.h>
#include <vww_preprocess.h>

// What the camera sends: QCIF, gray. Colour models want vww::PixelFormat::kRgb565Big.
static const vww::CameraMode kMode = {{176, 144, vww::PixelFormat::kGray8}, vww::TestPattern::kNone};

static const vww::InputFormat kInput = {VWW_MODEL_WIDTH, VWW_MODEL_HEIGHT, VWW_MODEL_CHANNELS, VWW_MODEL_CROP != 0,
                                        vww_model_pixels};
static uint32_t work[vww::Preprocess::work_words(VWW_MODEL_WIDTH, VWW_MODEL_CHANNELS)];

// Every piece of the camera's picture goes straight into the model's input.
class ToInput final : public vww::PictureSink {
 public:
  void begin() { preprocess_.begin(kMode.format, kInput, vww_model_input(), work); }
  void take(const uint8_t* data, size_t size) override { preprocess_.push(data, size); }
  bool done() const { return preprocess_.done(); }

 private:
  vww::Preprocess preprocess_;
};

static ToInput to_input;
static bool camera_ready = false;

static const char* trouble(vww::CameraStatus status) {
  switch (status) {
    case vww::CameraStatus::kOk:
      return "";
    case vww::CameraStatus::kNoCamera:
      return "No camera answers: is its plug fully in its socket?";
    case vww::CameraStatus::kNoFrame:
      return "The camera answers but sends no picture: check VSYNC, HREF and the clocks.";
    default:
      return "The camera does not give pictures of this format.";
  }
}

static void show(bool person) {
#if defined(LEDG) && defined(LEDR)
  digitalWrite(LEDG, person ? LOW : HIGH);  // lit when low
  digitalWrite(LEDR, person ? HIGH : LOW);
#else
  digitalWrite(LED_BUILTIN, person ? HIGH : LOW);
#endif
}

void setup() {
  Serial.begin(115200);
  pinMode(LED_BUILTIN, OUTPUT);
#if defined(LEDG) && defined(LEDR)
  pinMode(LEDG, OUTPUT);
  pinMode(LEDR, OUTPUT);
#endif
}

void loop() {
  vww::Camera* const camera = board_camera();
  if (camera == nullptr) {
    Serial.println("This board has no camera that the library knows.");
    delay(2000);
    return;
  }
  if (!camera_ready) {
    vww::CameraStatus status = camera->begin(kMode);
    while (status == vww::CameraStatus::kWaiting) status = camera->starting();
    camera_ready = status == vww::CameraStatus::kOk;
    if (!camera_ready) {
      Serial.println(trouble(status));
      delay(1000);
      return;
    }
  }

  to_input.begin();
  camera->request();
  vww::CameraStatus status;
  do {
    status = camera->poll(to_input);
  } while (status == vww::CameraStatus::kWaiting);
  if (status != vww::CameraStatus::kOk || !to_input.done()) {
    Serial.println(trouble(status));
    camera_ready = false;
    return;
  }

  const unsigned long start = micros();
  vww_model_invoke();
  const unsigned long taken = micros() - start;

  const float probability = vww_model_probability(vww_model_output());
  const bool person = probability >= VWW_MODEL_THRESHOLD;
  show(person);
  Serial.print(person ? "person    " : "no person ");
  Serial.print(static_cast<int>(100.0f * probability + 0.5f));
  Serial.print(" %  ");
  Serial.print(taken);
  Serial.println(" us");
}
