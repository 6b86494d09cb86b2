// The version of this project: of the firmware and, read from here by the build, of the Python package.
#pragma once

namespace vww {

constexpr char kVersion[] = "0.1.0";

}  // namespace vww
