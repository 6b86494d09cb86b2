"""Camera pictures: bytes as a sensor sends them, and what the model sees of them.

The firmware's ``vww_preprocess`` library does the same to every picture, byte for byte: its pixels become 8-bit gray or
RGB here, and from there on :mod:`vww_deploy.pictures.preprocess` is the definition.

RGB565 holds red in the upper five bits, green in the middle six and blue in the lower five of a 16-bit word; five and
six bits become eight by repeating the upper ones (``r << 3 | r >> 2``), so that 0 stays 0 and the largest becomes 255.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from ..errors import DataError
from .card import InputSpec
from .preprocess import Pixels, area_resize, centre_crop, coloured_pixels, luma


class PixelFormat(enum.IntEnum):
    """How a pixel lies in memory; the values are those of the link and of the virtual camera."""

    GRAY8 = 1
    RGB565_LITTLE = 2
    RGB565_BIG = 3
    RGB888 = 4

    @property
    def bytes(self) -> int:
        """Bytes of one pixel."""
        return {1: 1, 2: 2, 3: 2, 4: 3}[self.value]


@dataclass(frozen=True)
class CameraFormat:
    """Size in pixels and pixel format of a picture; rows follow each other without gaps."""

    width: int
    height: int
    pixels: PixelFormat = PixelFormat.GRAY8

    @property
    def bytes(self) -> int:
        """Bytes of one picture."""
        return self.width * self.height * self.pixels.bytes

    def __str__(self) -> str:
        """As :func:`parse_format` reads it: ``176x144:gray``."""
        return f"{self.width}x{self.height}:{next(n for n, p in PIXEL_NAMES.items() if p is self.pixels)}"


SIZES: Final = {"qqvga": (160, 120), "qcif": (176, 144), "qvga": (320, 240)}
"""The OV7675's picture sizes that a small board can hold: name -> (width, height)."""

PIXEL_NAMES: Final = {
    "gray": PixelFormat.GRAY8,
    "rgb565le": PixelFormat.RGB565_LITTLE,
    "rgb565be": PixelFormat.RGB565_BIG,
    "rgb888": PixelFormat.RGB888,
}


def parse_format(text: str) -> CameraFormat:
    """``qcif``, ``qcif:rgb565be`` or ``WIDTHxHEIGHT:PIXELS``; gray when no pixel format is named.

    Raises:
        DataError: an unknown name, or a size that is not 1..65535.
    """
    size, _, pixels = text.lower().partition(":")
    if pixels and pixels not in PIXEL_NAMES:
        raise DataError(f"no pixel format is called {pixels!r}", hint=f"There are {', '.join(PIXEL_NAMES)}.")
    if size in SIZES:
        width, height = SIZES[size]
    else:
        across, _, down = size.partition("x")
        if not (across.isascii() and across.isdigit() and down.isascii() and down.isdigit()):
            raise DataError(
                f"no picture size is called {size!r}", hint=f"There are {', '.join(SIZES)}, or WIDTHxHEIGHT as 128x96."
            )
        width, height = int(across), int(down)
        if not (1 <= width <= 65535 and 1 <= height <= 65535):
            raise DataError(f"pictures cannot have {width} x {height} pixels", hint="Each side has 1 to 65535.")
    return CameraFormat(width, height, PIXEL_NAMES[pixels or "gray"])


def decode_picture(data: bytes, camera_format: CameraFormat) -> Pixels:
    """The picture's pixels: uint8 ``[height, width]`` for gray, ``[height, width, 3]`` for the others.

    Raises:
        DataError: the data has another length than the format says.
    """
    if len(data) != camera_format.bytes:
        raise DataError(f"a picture in the format {camera_format} has {camera_format.bytes} bytes, not {len(data)}")
    raw = np.frombuffer(data, dtype=np.uint8)
    if camera_format.pixels is PixelFormat.GRAY8:
        return raw.reshape(camera_format.height, camera_format.width)
    if camera_format.pixels is PixelFormat.RGB888:
        return raw.reshape(camera_format.height, camera_format.width, 3)
    order = "<u2" if camera_format.pixels is PixelFormat.RGB565_LITTLE else ">u2"
    word = np.frombuffer(data, dtype=order).astype(np.uint16).reshape(camera_format.height, camera_format.width)
    red, green, blue = word >> 11, (word >> 5) & 63, word & 31
    wide = (red << 3) | (red >> 2), (green << 2) | (green >> 4), (blue << 3) | (blue >> 2)
    return np.stack(wide, axis=-1).astype(np.uint8)


def encode_picture(image: Image.Image, camera_format: CameraFormat) -> bytes:
    """A picture as a camera would have sent it: the largest centred part of the format's aspect ratio, resized.

    Raises:
        DataError: as :func:`vww_deploy.pictures.preprocess.to_rgb`.
    """
    mode = "L" if camera_format.pixels is PixelFormat.GRAY8 else "RGB"
    pixels = coloured_pixels(image, mode)
    pixels = area_resize(
        centre_crop(pixels, camera_format.height, camera_format.width), camera_format.height, camera_format.width
    )
    if camera_format.pixels in (PixelFormat.GRAY8, PixelFormat.RGB888):
        return pixels.tobytes()
    wide = pixels.astype(np.uint16)
    word = (wide[..., 0] >> 3) << 11 | (wide[..., 1] >> 2) << 5 | wide[..., 2] >> 3
    return word.astype("<u2" if camera_format.pixels is PixelFormat.RGB565_LITTLE else ">u2").tobytes()


def picture_to_pixels(data: bytes, camera_format: CameraFormat, spec: InputSpec) -> Pixels:
    """What the model sees of a picture: uint8 ``[height, width, channels]``.

    Raises:
        DataError: the data has another length than the format says.
    """
    pixels = decode_picture(data, camera_format)
    if spec.channels == 1 and pixels.ndim == 3:
        pixels = luma(pixels)
    if spec.resize == "crop":
        pixels = centre_crop(pixels, spec.height, spec.width)
    pixels = area_resize(pixels, spec.height, spec.width)
    if spec.channels == 3 and pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    return pixels.reshape(spec.height, spec.width, spec.channels)
