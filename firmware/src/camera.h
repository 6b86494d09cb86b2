// The board's camera, chosen by the environment: VWW_CAMERA_VIRTUAL, VWW_CAMERA_OV7675, or none.
#pragma once

#include <vww_camera.h>

/// Null on a board without one.
vww::Camera* board_camera();
