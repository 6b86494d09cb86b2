"""Running a ``.tflite``, float or int8, on pictures, and looking at the tensors inside."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

PixelRange = tuple[float, float] | None
"""The real numbers that pixel 0 and pixel 255 stand for; None: ``(pixel - 128) / 128``, which int8 holds exactly."""


def to_real(pixels: Pixels, pixel_range: PixelRange = None) -> npt.NDArray[np.float32]:
    """What a network sees of pixels 0..255: float32 of the same shape."""
    if pixel_range is None:
        return (pixels.astype(np.float32) - 128.0) / 128.0
    low, high = pixel_range
    return np.float32(low) + pixels.astype(np.float32) * np.float32((high - low) / 255.0)


def open_interpreter(model: bytes, *, keep_all: bool = False) -> Any:
    """LiteRT's interpreter with its fast kernels; ``keep_all`` keeps the tensors between the layers."""
    from ai_edge_litert.interpreter import Interpreter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that keeping all tensors takes memory
        interpreter = Interpreter(model_content=model, experimental_preserve_all_tensors=keep_all)
    interpreter.allocate_tensors()
    return interpreter


def show(interpreter: Any, pixels: Pixels, pixel_range: PixelRange = None) -> None:
    """Run a float or int8 network on one picture, uint8 ``[h, w, c]``."""
    given = interpreter.get_input_details()[0]
    value = to_real(pixels[None], pixel_range)
    if given["dtype"] != np.float32:
        scale, zero_point = given["quantization"]
        value = np.clip(np.floor(value / scale + 0.5) + zero_point, -128, 127).astype(np.int8)
    interpreter.set_tensor(given["index"], value)
    interpreter.invoke()


def real_values(interpreter: Any, tensor: dict[str, Any]) -> npt.NDArray[np.float64]:
    """What a tensor's stored values stand for, with its batch of one; ``tensor`` is the interpreter's description."""
    values: npt.NDArray[np.float64] = interpreter.get_tensor(tensor["index"]).astype(np.float64)
    scale, zero_point = tensor["quantization"]  # a float tensor's scale is 0
    return (values - zero_point) * scale if scale else values


def tensor_values(
    model: bytes, index: int, pictures: Pixels, pixel_range: PixelRange = None
) -> npt.NDArray[np.float64]:
    """The real values of a tensor inside a ``.tflite`` for pictures, ``[N, ...]``."""
    interpreter = open_interpreter(model, keep_all=True)
    tensor = next(one for one in interpreter.get_tensor_details() if one["index"] == index)
    values = []
    for one in pictures:
        show(interpreter, one, pixel_range)
        values.append(real_values(interpreter, tensor)[0])
    return np.stack(values)
