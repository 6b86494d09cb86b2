"""Preprocessing: the definition in the module's docstring, step by step, against slow exact arithmetic."""

from __future__ import annotations

import io
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vww_deploy.errors import DataError
from vww_deploy.graph.ir import Quantization
from vww_deploy.pictures import preprocess
from vww_deploy.pictures.card import InputSpec, ModelCard

GRAY_96 = InputSpec(96, 96, 1)
ANY_QUANTIZATION = Quantization(1 / 255, -128)


def opened(path: Path) -> Image.Image:
    return preprocess.open_picture(preprocess.read_picture_file(path), str(path))


def exact_area_average(pixels: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """The average over each output pixel's real rectangle, in fractions, rounded half up."""
    h, w = pixels.shape
    out = np.zeros((height, width), dtype=np.uint8)
    for i in range(height):
        for j in range(width):
            total = Fraction(0)
            for y in range(h):
                dy = min(Fraction((i + 1) * h, height), Fraction(y + 1)) - max(Fraction(i * h, height), Fraction(y))
                for x in range(w):
                    dx = min(Fraction((j + 1) * w, width), Fraction(x + 1)) - max(Fraction(j * w, width), Fraction(x))
                    if dy > 0 and dx > 0:
                        total += dy * dx * int(pixels[y, x])
            mean = total * Fraction(height * width, h * w)
            out[i, j] = int(mean + Fraction(1, 2))
    return out


@settings(max_examples=60, deadline=None)
@given(
    h=st.integers(1, 9), w=st.integers(1, 9), height=st.integers(1, 7), width=st.integers(1, 7), seed=st.integers(0, 99)
)
def test_resize_is_the_exact_area_average(h: int, w: int, height: int, width: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (h, w), dtype=np.uint8)
    assert np.array_equal(preprocess.area_resize(pixels, height, width), exact_area_average(pixels, height, width))


def test_resize_treats_the_channels_alone() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (50, 71, 3), dtype=np.uint8)
    together = preprocess.area_resize(pixels, 24, 33)
    for channel in range(3):
        assert np.array_equal(together[..., channel], preprocess.area_resize(pixels[..., channel], 24, 33))


def test_resize_keeps_extremes_and_flat_pictures() -> None:
    for value in (0, 1, 127, 255):
        flat = np.full((123, 457), value, dtype=np.uint8)
        assert (preprocess.area_resize(flat, 96, 96) == value).all()


def test_resize_of_its_own_size_changes_nothing() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    assert np.array_equal(preprocess.area_resize(pixels, 96, 96), pixels)


def test_gray_of_pillow_is_the_documented_luma() -> None:
    """The host takes Pillow's fast conversion; this holds it to the formula that the firmware computes."""
    values = np.arange(0, 256, 5, dtype=np.uint8)
    rgb = np.stack(np.meshgrid(values, values, values), axis=-1).reshape(-1, len(values), 3)
    assert np.array_equal(np.asarray(Image.fromarray(rgb).convert("L")), preprocess.luma(rgb))


def test_gray_pictures_pass_through_unchanged() -> None:
    gray = np.random.default_rng(3).integers(0, 256, (96, 96), dtype=np.uint8)
    assert np.array_equal(preprocess.to_pixels(Image.fromarray(gray), GRAY_96)[..., 0], gray)
    three = preprocess.to_pixels(Image.fromarray(gray), InputSpec(96, 96, 3))
    assert np.array_equal(three, np.repeat(gray[..., None], 3, axis=2))


def test_input_is_pixel_minus_128() -> None:
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    card = ModelCard("m", InputSpec(16, 16, 1))
    for quantization in (ANY_QUANTIZATION, Quantization(0.00784314, -1)):
        values = preprocess.to_input(Image.fromarray(gray), card, quantization)
        assert values.shape == (16, 16, 1)
        assert values.dtype == np.int8
        assert np.array_equal(values.reshape(-1).astype(int), np.arange(256) - 128)


def test_a_pixel_range_goes_through_the_models_own_quantisation() -> None:
    spec = InputSpec(1, 256, 1, pixel_range=(-1.0, 1.0))
    table = preprocess.quantisation_table(spec, Quantization(2 / 255, 0))
    assert (table[0], table[255]) == (-127, 127)
    assert np.all(np.diff(table.astype(int)) >= 0)
    clamped = preprocess.quantisation_table(spec, Quantization(1 / 255, 0))
    assert (clamped[0], clamped[255]) == (-128, 127)


def test_crop_takes_the_largest_centred_part() -> None:
    columns = np.tile(np.arange(160, dtype=np.uint8), (120, 1))
    assert np.array_equal(preprocess.centre_crop(columns, 96, 96)[0], np.arange(20, 140))
    rows = columns.T
    assert np.array_equal(preprocess.centre_crop(rows, 96, 96)[:, 0], np.arange(20, 140))
    assert preprocess.centre_crop(columns, 1, 2).shape == (80, 160)
    assert preprocess.centre_crop(columns, 120, 160).shape == (120, 160)
    assert preprocess.centre_crop(np.zeros((1, 1000), np.uint8), 96, 96).shape == (1, 1)


def exif_with(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def test_every_exif_orientation_is_turned_upright(tmp_path: Path) -> None:
    upright = np.zeros((8, 16, 3), dtype=np.uint8)
    upright[:4, :8] = 255  # white at the top left
    stored_as = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }
    for orientation, stored in stored_as.items():
        path = tmp_path / f"{orientation}.png"
        Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif_with(orientation))
        assert np.array_equal(np.asarray(opened(path)), upright), orientation


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I;16", "I"])
def test_every_colour_mode_becomes_a_picture(mode: str) -> None:
    white: dict[str, Any] = {"I;16": 65535, "I": 65535, "LA": (255, 255), "RGBA": (255, 255, 255, 255)}
    if mode in white:
        image = Image.new(mode, (20, 10), white[mode])
    else:
        image = Image.new("RGB", (20, 10), "white").convert(mode)
    for channels in (1, 3):
        pixels = preprocess.to_pixels(image, InputSpec(5, 5, channels))
        assert pixels.shape == (5, 5, channels)
        assert (pixels == 255).all()


def test_sixteen_bit_gray_keeps_its_upper_byte() -> None:
    wide = (np.arange(256, dtype=np.uint16) * 256 + 77).reshape(16, 16)
    pixels = preprocess.to_pixels(Image.fromarray(wide), InputSpec(16, 16, 1))
    assert np.array_equal(pixels.reshape(-1), np.arange(256))


def test_transparency_is_laid_over_white() -> None:
    image = Image.new("RGBA", (4, 4), (10, 20, 30, 0))
    assert (preprocess.to_pixels(image, InputSpec(4, 4, 3)) == 255).all()
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert (preprocess.to_pixels(half, InputSpec(4, 4, 3)) == 127).all()
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([0, 0, 0])
    palette.info["transparency"] = 0
    assert (preprocess.to_pixels(palette, InputSpec(4, 4, 3)) == 255).all()


def test_odd_channel_counts_are_refused() -> None:
    with pytest.raises(DataError, match="2 channels"):
        preprocess.to_pixels(Image.new("L", (4, 4)), InputSpec(4, 4, 2))


def test_animations_give_their_first_image(tmp_path: Path) -> None:
    path = tmp_path / "two.gif"
    Image.new("L", (4, 4), 255).save(path, save_all=True, append_images=[Image.new("L", (4, 4), 0)])
    assert (preprocess.to_pixels(opened(path), InputSpec(4, 4, 1)) == 255).all()


def png_bytes(size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("1", size).save(buffer, "PNG")
    return buffer.getvalue()


def test_bad_pictures_say_what_is_wrong(tmp_path: Path) -> None:
    good = tmp_path / "good.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(good)
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(good.read_bytes()[:1500])
    empty = tmp_path / "empty.png"
    empty.touch()
    text = tmp_path / "text.png"
    text.write_text("not a picture")
    for path, expected in (
        (cut, "damaged: image file is truncated"),
        (empty, "0 bytes"),
        (text, "no picture"),
        (tmp_path / "missing.png", "No such file"),
        (tmp_path, "directory"),
    ):
        with pytest.raises(DataError, match=expected) as caught:
            opened(path)
        assert str(path) in caught.value.message


def test_huge_pictures_are_refused_before_decoding() -> None:
    with pytest.raises(DataError, match="too large") as caught:
        preprocess.open_picture(png_bytes((10_000, 6_500)))
    assert "64 million" in caught.value.hint
    with pytest.raises(DataError, match="too large"):  # far over Pillow's own limit, too
        preprocess.open_picture(png_bytes((30_000, 20_000)))


def test_damaged_exif_does_not_lose_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "exif.jpg"
    Image.new("L", (8, 8), 200).save(path, exif=b"Exif\x00\x00garbage that is no TIFF header")
    assert opened(path).size == (8, 8)


@pytest.mark.parametrize(
    ("size", "kept"), [((5000, 4000), (2500, 2000)), ((8000, 7000), (2000, 1750)), ((900, 700), (900, 700))]
)
def test_a_large_jpeg_may_be_decoded_at_a_reduced_size(size: tuple[int, int], kept: tuple[int, int]) -> None:
    coded = io.BytesIO()
    Image.linear_gradient("L").resize(size).save(coded, "JPEG")
    assert preprocess.open_picture(coded.getvalue(), enough=1280).size == kept
    assert preprocess.open_picture(coded.getvalue()).size == size


LARGE = """
import resource
from PIL import Image
from vww_deploy.pictures import preprocess
from vww_deploy.pictures.card import InputSpec
picture = Image.new("RGB", (8000, 8000), (200, 100, 50))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
pixels = preprocess.to_pixels(picture, InputSpec(64, 64, 3))
assert (pixels == (200, 100, 50)).all()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory in other units, or not")
def test_of_a_large_picture_there_is_one_copy() -> None:
    ran = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 250, "MiB more than the picture itself, whose pixels are 183"
