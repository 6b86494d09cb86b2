"""From a picture to the model's int8 input: the one definition, in integers.

The firmware does the same to camera pictures (``firmware/lib/vww_camera``), so each step is exact integer arithmetic
that C++ repeats byte for byte:

1. **Turn** the picture as its EXIF orientation says.
2. **Colour.** Everything becomes 8-bit RGB; 16-bit gray keeps its upper byte; transparent pictures are laid over white,
   as a viewer shows them: ``(c*a + 255*(255 - a) + 127) // 255``. A gray model gets BT.601 luma, ``(19595*R + 38470*G +
   7471*B + 32768) >> 16``.
3. **Crop**, when the model card says ``crop``: the largest centred rectangle of the model's aspect ratio. ``squash``
   takes the whole picture.
4. **Resize** by area average. Output pixel *i* of *n* covers the source from ``i*m/n`` to ``(i+1)*m/n``, *m* the
   source's length. Counted in *n*-ths of a source pixel every overlap is an integer, the overlaps of one output pixel
   add up to *m*, and the one division at the end rounds half up: ``(sum + m_y*m_x // 2) // (m_y*m_x)``. There are no
   approximate weights.
5. **Quantise** through a table of 256 int8 values. For nearly every model that is ``pixel - 128``; see
   :func:`quantisation_table`.
"""

from __future__ import annotations

import functools
import importlib
import io
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from vww_deploy.errors import DataError
from vww_deploy.files import check_file
from vww_deploy.graph.ir import Quantization
from vww_deploy.pictures.card import InputSpec, ModelCard

MAX_PIXELS: Final = 64_000_000
"""Larger pictures are refused before they are decoded: 64 million pixels take about half a gigabyte."""

LARGE_PIXELS: Final = 16_000_000
"""Larger JPEGs may be decoded at a reduced size where a picture is for looking at: see :func:`open_picture`."""

MAX_FILE_BYTES: Final = 256 << 20
"""Larger files are refused unread: no sensible picture of 64 million pixels is larger."""

HEIC: Final = find_spec("pillow_heif") is not None
"""Whether pictures of iPhones can be read: with ``pip install pillow-heif``."""

PICTURE_SUFFIXES: Final = frozenset(
    {".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".webp", ".gif", ".tif", ".tiff", *((".heic", ".heif") if HEIC else ())}
)
"""File name endings (lower case) that are looked for in folders."""

_CAMERA_RAW: Final = {".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".raw", ".rw2"}
OTHER_PICTURES: Final = (
    frozenset({".avif", ".heic", ".heif", ".jp2", ".jxl", ".pgm", ".ppm", ".psd", ".svg", ".tga"} | _CAMERA_RAW)
    - PICTURE_SUFFIXES
)
"""Endings of pictures that are not read, and are counted where they are met."""

READ: Final = "PNG, JPEG, BMP, WebP, GIF and TIFF are read; HEIC " + (
    "is, too" if HEIC else "after: pip install pillow-heif"
)

_BAND_ROWS: Final = 64
_EXIF_ORIENTATION: Final = 0x0112
_TURN: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Pixels = npt.NDArray[np.uint8]


def read_picture_file(path: Path) -> bytes:
    """The bytes of a picture file.

    Raises:
        DataError: it cannot be read, is empty, or is larger than :data:`MAX_FILE_BYTES`.
    """
    try:
        check_file(path)
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise DataError(f"{path} is too large: {size >> 20} MiB", hint=_TOO_LARGE_HINT)
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    if not data:
        raise DataError(f"{path} is empty (0 bytes)")
    return data


def open_picture(data: bytes, name: str = "the picture", *, enough: int | None = None) -> Image.Image:
    """The bytes of a picture file decoded and turned upright (the first image of an animation); ``name`` is for
    messages.

    Args:
        enough: decode a JPEG of more than :data:`LARGE_PIXELS` at a half, a quarter or an eighth of its size, with no
            side below so many pixels: 64 million take a quarter of a gigabyte otherwise. Where the model sees 96x96
            pixels of it, one or two in a hundred then differ by one step.

    Raises:
        DataError: they are no picture, are cut off, or have more than :data:`MAX_PIXELS` pixels.
    """
    try:
        image = _opened(data, name)
        if enough is not None and image.format == "JPEG" and image.width * image.height > LARGE_PIXELS:
            image.draft(None, (enough, enough))
        image.load()
    except Exception as error:
        raise _unusable(error, name) from error
    return _upright(image)


def check_picture(data: bytes, name: str) -> None:
    """Say what is wrong with the bytes of a picture file without the memory that its pixels take: a JPEG is decoded at
    an eighth of its size, a PNG's checksums are looked at.

    Raises:
        DataError: as :func:`open_picture`; damage that only decoding shows is not found.
    """
    try:
        image = _opened(data, name)
        if image.format == "JPEG":
            image.draft(None, (max(1, image.width // 8), max(1, image.height // 8)))
            image.load()
        else:
            image.verify()
    except Exception as error:
        raise _unusable(error, name) from error


@functools.cache
def _register_heic() -> None:
    importlib.import_module("pillow_heif").register_heif_opener()


def _opened(data: bytes, name: str) -> Image.Image:
    """The picture, its pixels not decoded yet."""
    if HEIC:
        _register_heic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own size warning comes before our limit is checked
        image: Image.Image = Image.open(io.BytesIO(data))
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(name, image.width, image.height)
    return image


def _unusable(error: Exception, name: str) -> DataError:
    """A damaged file makes Pillow's decoders raise anything."""
    if isinstance(error, DataError):
        return error
    if isinstance(error, Image.DecompressionBombError):
        return DataError(
            f"{name} is too large: far more than {MAX_PIXELS // 1_000_000} million pixels", hint=_TOO_LARGE_HINT
        )
    if isinstance(error, UnidentifiedImageError):
        return DataError(f"{name} is no picture", hint=f"{READ}.")
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(f"{name} is damaged: {reason}")


def to_rgb(image: Image.Image) -> Image.Image:
    """The picture in Pillow's mode ``RGB``, or ``L`` if it is gray already; transparency over white.

    Raises:
        DataError: a colour mode that has no defined meaning as 8-bit RGB.
    """
    if image.mode in ("RGB", "L"):
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode == "I" or image.mode.startswith("I;16"):
        wide = np.asarray(image)
        return Image.fromarray(_in_bands(lambda band: np.clip(band.astype(np.int64), 0, 65535) >> 8, wide))
    if image.mode == "F":  # as a share of white if nothing is above 1, else as 0..255
        real = np.nan_to_num(np.asarray(image), nan=0.0, posinf=255.0, neginf=0.0)
        most = 255.0 if real.size and real.max() <= 1.0 else 1.0
        return Image.fromarray(_in_bands(lambda band: np.clip(np.floor(band * most + 0.5), 0, 255), real))
    if image.mode in ("LA", "PA", "La", "RGBA", "RGBa") or "transparency" in image.info:
        return _over_white(image)
    try:
        return image.convert("RGB")
    except ValueError as error:
        hint = "Save it as 8-bit RGB or gray."
        raise DataError(f"a picture of colour mode {image.mode} cannot be used", hint=hint) from error


def to_pixels(image: Image.Image, spec: InputSpec) -> Pixels:
    """The picture that the model sees: uint8 ``[height, width, channels]``; steps 2 to 4 of the definition.

    Raises:
        DataError: a picture that has no pixels or no usable colours, or a model that takes neither 1 nor 3 channels.
    """
    if spec.channels not in (1, 3):
        raise DataError(f"the model takes {spec.channels} channels; pictures have 1 (gray) or 3 (RGB)")
    if image.width * image.height > MAX_PIXELS:
        raise _too_large("the picture", image.width, image.height)
    if not image.width or not image.height:
        raise DataError("the picture has no pixels")
    pixels = coloured_pixels(image, "L" if spec.channels == 1 else "RGB")
    if spec.resize == "crop":
        pixels = centre_crop(pixels, spec.height, spec.width)
    resized = area_resize(pixels, spec.height, spec.width)
    return resized.reshape(spec.height, spec.width, spec.channels)


def coloured_pixels(image: Image.Image, mode: str) -> Pixels:
    """All pixels in gray (``L``), uint8 ``[h, w]``, or in colour (``RGB``), uint8 ``[h, w, 3]``.

    Pillow's ``L`` is the luma of step 2 to the digit; a test holds it to that.

    Raises:
        DataError: as :func:`to_rgb`.
    """
    image = to_rgb(image)
    width, height = image.size
    pixels = np.empty((height, width) if mode == "L" else (height, width, 3), np.uint8)
    for top in range(0, height, _BAND_ROWS):  # of a large picture there is no second copy
        band = image.crop((0, top, width, min(top + _BAND_ROWS, height)))
        pixels[top : top + _BAND_ROWS] = np.asarray(band.convert(mode))
    return pixels


def to_input(image: Image.Image, card: ModelCard, quantization: Quantization) -> npt.NDArray[np.int8]:
    """The model's input for a picture: int8 ``[height, width, channels]``.

    Args:
        image: any size and mode, as :func:`open_picture` gives it.
        card: how the model wants its pictures.
        quantization: of the model's int8 input tensor.

    Raises:
        DataError: as :func:`to_pixels`.
    """
    return quantise(to_pixels(image, card.input), card.input, quantization)


def quantise(pixels: Pixels, spec: InputSpec, quantization: Quantization) -> npt.NDArray[np.int8]:
    """Pixels of any shape through :func:`quantisation_table`."""
    values: npt.NDArray[np.int8] = quantisation_table(spec, quantization)[pixels]
    return values


def quantisation_table(spec: InputSpec, quantization: Quantization) -> npt.NDArray[np.int8]:
    """The int8 value of each pixel value 0..255.

    Without a ``pixel_range`` in the card it is ``pixel - 128``: the 256 int8 values stand for the 256 pixel values,
    whatever real numbers the scale gives them. With one, pixel 0 means its first and pixel 255 its second real number,
    and the table is the model's own quantisation of those, rounded half up and clamped.
    """
    pixel = np.arange(256)
    if spec.pixel_range is None:
        return (pixel - 128).astype(np.int8)
    low, high = spec.pixel_range
    real = low + pixel * ((high - low) / 255.0)
    quantised = np.floor(real / quantization.scale + 0.5) + quantization.zero_point
    return np.asarray(np.clip(quantised, -128, 127), dtype=np.int8)


def luma(rgb: Pixels) -> Pixels:
    """BT.601 luma of RGB ``[..., 3]`` in integers: ``(19595*R + 38470*G + 7471*B + 32768) >> 16``."""
    wide = rgb.astype(np.uint32)
    return ((19595 * wide[..., 0] + 38470 * wide[..., 1] + 7471 * wide[..., 2] + 32768) >> 16).astype(np.uint8)


def centre_crop(pixels: Pixels, height: int, width: int) -> Pixels:
    """The largest centred part of ``[h, w, ...]`` with the aspect ratio ``width:height``.

    Odd remainders are cut at the right and below.
    """
    h, w = pixels.shape[:2]
    if w * height > h * width:  # too wide
        h_kept, w_kept = h, max(1, h * width // height)
    else:
        h_kept, w_kept = max(1, w * height // width), w
    top, left = (h - h_kept) // 2, (w - w_kept) // 2
    return pixels[top : top + h_kept, left : left + w_kept]


def area_resize(pixels: Pixels, height: int, width: int) -> Pixels:
    """Exact area average of uint8 ``[h, w]`` or ``[h, w, c]`` to ``[height, width(, c)]``, rounded half up once (step
    4).
    """
    h, w = pixels.shape[:2]
    if (h, w) == (height, width):
        return pixels
    rows = np.empty((height, *pixels.shape[1:]), dtype=np.int64)
    for i in range(height):  # row by row: no wide copy of a large picture
        first, skipped = divmod(i * h, height)
        last, taken = divmod((i + 1) * h, height)
        total = pixels[first:last].sum(axis=0, dtype=np.int64) * height
        total -= pixels[first] * np.int64(skipped)
        if taken:
            total += pixels[last] * np.int64(taken)
        rows[i] = total
    # Along x the sum up to any position is a prefix sum plus a part of one pixel; an output pixel is the difference of
    # two.
    prefix = np.zeros((height, w + 1, *pixels.shape[2:]), dtype=np.int64)
    np.cumsum(rows, axis=1, out=prefix[:, 1:])
    whole, part = np.divmod(np.arange(width + 1, dtype=np.int64) * w, width)
    part = part.reshape(-1, *(1,) * (pixels.ndim - 2))
    upto = prefix[:, whole] * width + rows[:, np.minimum(whole, w - 1)] * part
    area = h * w
    average: Pixels = ((upto[:, 1:] - upto[:, :-1] + area // 2) // area).astype(np.uint8)
    return average


_TOO_LARGE_HINT: Final = f"Pictures up to {MAX_PIXELS // 1_000_000} million pixels are read; make it smaller."


def _too_large(name: str, width: int, height: int) -> DataError:
    millions = width * height // 1_000_000
    return DataError(f"{name} is too large: {width} x {height} = {millions} million pixels", hint=_TOO_LARGE_HINT)


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # damaged EXIF says nothing about the pixels: the picture is taken as it lies
        return image
    turn = _TURN.get(orientation)
    return image.transpose(turn) if turn is not None else image


def _over_white(image: Image.Image) -> Image.Image:
    def flat(band: Pixels) -> npt.NDArray[np.uint32]:
        wide = band.astype(np.uint32)
        alpha = wide[..., 3:]
        flattened: npt.NDArray[np.uint32] = (wide[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
        return flattened

    return Image.fromarray(_in_bands(flat, np.asarray(image.convert("RGBA"))))


def _in_bands(function: Callable[[npt.NDArray[Any]], npt.NDArray[Any]], pixels: npt.NDArray[Any]) -> Pixels:
    """``function`` of some rows at a time, as uint8: its wide intermediate values never take a whole picture's room."""
    bands = range(0, len(pixels), _BAND_ROWS)
    return np.concatenate([function(pixels[top : top + _BAND_ROWS]).astype(np.uint8) for top in bands])
