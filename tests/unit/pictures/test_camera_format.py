"""Camera pictures on the host: formats, and their agreement with preprocessing of pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vww_deploy.errors import DataError
from vww_deploy.pictures import camera_format, preprocess
from vww_deploy.pictures.camera_format import CameraFormat, PixelFormat
from vww_deploy.pictures.card import InputSpec


def test_formats_are_parsed() -> None:
    assert camera_format.parse_format("qcif") == CameraFormat(176, 144, PixelFormat.GRAY8)
    assert camera_format.parse_format("QVGA:rgb565be") == CameraFormat(320, 240, PixelFormat.RGB565_BIG)
    assert camera_format.parse_format("31x7:rgb888") == CameraFormat(31, 7, PixelFormat.RGB888)
    assert camera_format.parse_format("qcif").bytes == 25_344
    assert camera_format.parse_format("qcif:rgb565le").bytes == 50_688


@pytest.mark.parametrize("text", ["", "big", "qcif:yuv", "0x5", "70000x4", "12", "12x", "-1x4", "1x2x3"])
def test_bad_formats_are_refused(text: str) -> None:
    with pytest.raises(DataError) as caught:
        camera_format.parse_format(text)
    assert caught.value.hint


def test_rgb565_words_by_hand() -> None:
    # pure red, green, blue, white, black, and one of every bit pattern
    words = [0xF800, 0x07E0, 0x001F, 0xFFFF, 0x0000, 0x8410]
    expected = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (132, 130, 132)]
    for pixels, order in ((PixelFormat.RGB565_LITTLE, "little"), (PixelFormat.RGB565_BIG, "big")):
        data = b"".join(word.to_bytes(2, order) for word in words)  # type: ignore[arg-type]
        decoded = camera_format.decode_picture(data, CameraFormat(6, 1, pixels))
        assert [tuple(pixel) for pixel in decoded[0].tolist()] == expected


@pytest.mark.parametrize("pixels", list(PixelFormat))
def test_what_was_encoded_is_decoded(pixels: PixelFormat) -> None:
    source = np.random.default_rng(3).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    taken_as = CameraFormat(16, 12, pixels)
    decoded = camera_format.decode_picture(camera_format.encode_picture(Image.fromarray(source), taken_as), taken_as)
    if pixels is PixelFormat.GRAY8:
        assert np.array_equal(decoded, preprocess.luma(source))
    elif pixels is PixelFormat.RGB888:
        assert np.array_equal(decoded, source)
    else:
        assert np.array_equal(decoded >> 3, source >> 3)
        assert np.array_equal(decoded[..., 1] >> 2, source[..., 1] >> 2)


def test_pictures_of_the_wrong_length_are_refused() -> None:
    with pytest.raises(DataError, match="25344 bytes, not 25343"):
        camera_format.decode_picture(bytes(25_343), camera_format.parse_format("qcif"))


@pytest.mark.parametrize("resize", ["squash", "crop"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_preprocessed_as_the_same_picture_is(resize: str, channels: int) -> None:
    source = np.random.default_rng(4).integers(0, 256, (144, 176, 3), dtype=np.uint8)
    spec = InputSpec(96, 96, channels, resize=resize)
    taken_as = CameraFormat(176, 144, PixelFormat.RGB888)
    assert np.array_equal(
        camera_format.picture_to_pixels(source.tobytes(), taken_as, spec),
        preprocess.to_pixels(Image.fromarray(source), spec),
    )
    gray = CameraFormat(176, 144, PixelFormat.GRAY8)
    assert np.array_equal(
        camera_format.picture_to_pixels(source[..., 0].tobytes(), gray, spec),
        preprocess.to_pixels(Image.fromarray(source[..., 0]), spec),
    )
