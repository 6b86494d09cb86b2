// The frame decoder: any bytes, into buffers of any size. A frame that it takes is one that the encoder makes.
#include "fuzz_port.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::vector<uint8_t> buffer(1 + data[0] * 5);
  vww::Decoder decoder(buffer.data(), buffer.size());
  for (size_t i = 1; i < size; i++) {
    switch (decoder.feed(data[i])) {
      case vww::Decoder::Event::kText:
        for (size_t at = 0; at < decoder.text_size(); at++) check(decoder.text()[at] != 0);
        break;
      case vww::Decoder::Event::kFrame: {
        const vww::Frame frame = decoder.frame();
        check(frame.size + vww::kHeaderBytes + vww::kCrcBytes <= buffer.size());
        if (frame.version != vww::kProtocolVersion) break;
        const std::vector<uint8_t> payload(frame.payload, frame.payload + frame.size);
        std::vector<uint8_t> wire(vww::encoded_bytes(payload.size()) + 2);
        const size_t written =
            vww::encode_frame(frame.type, frame.sequence, payload.data(), payload.size(), wire.data(), wire.size());
        check(written != 0);
        std::vector<uint8_t> again(written);
        vww::Decoder second(again.data(), again.size());
        bool found = false;
        for (size_t at = 0; at < written; at++) {
          if (second.feed(wire[at]) != vww::Decoder::Event::kFrame) continue;
          found = second.frame().size == payload.size() &&
                  (payload.empty() || memcmp(second.frame().payload, payload.data(), payload.size()) == 0);
        }
        check(found);
        break;
      }
      default:
        break;
    }
  }
  return 0;
}
