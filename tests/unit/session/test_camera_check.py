"""What ``camera --check`` concludes from pictures of healthy and of broken cameras."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from vww_deploy.boards.camera_feed import CameraFault, TestPattern, broken, pattern_picture
from vww_deploy.graph.ir import Quantization
from vww_deploy.pictures import preprocess
from vww_deploy.pictures.camera_format import CameraFormat, PixelFormat
from vww_deploy.pictures.card import InputSpec
from vww_deploy.session.camera import pixel_values
from vww_deploy.session.camera_check import check_bars, check_exposure, check_lines

COLOUR = CameraFormat(176, 144, PixelFormat.RGB565_BIG)
WALKING = pattern_picture(TestPattern.WALKING_ONE, COLOUR)
BARS = pattern_picture(TestPattern.BARS, COLOUR)


def permuted(data: bytes, seen_on: list[int]) -> bytes:
    """What arrives when the sensor's D0 lies on the board's line ``seen_on[0]``, and so on."""
    values = np.frombuffer(data, np.uint8)
    out = np.zeros_like(values)
    for line, bit in enumerate(seen_on):
        out |= ((values >> line) & 1) << bit
    return out.tobytes()


def test_healthy_cameras_pass() -> None:
    noisy = np.random.default_rng(0).integers(20, 200, 25_344, dtype=np.uint8).tobytes()
    assert check_exposure(noisy).ok
    assert check_bars(BARS, COLOUR).ok
    for start in range(8):  # a sensor may begin anywhere in its cycle
        assert check_lines(WALKING[start:] + WALKING[:start], COLOUR).ok


@pytest.mark.parametrize(("a", "b"), list(itertools.combinations(range(8), 2)))
def test_any_two_swapped_lines_are_named(a: int, b: int) -> None:
    lines = list(range(8))
    lines[a], lines[b] = b, a
    finding = check_lines(permuted(WALKING, lines), COLOUR)
    assert not finding.ok
    assert finding.text == f"D{a} and D{b} are swapped"
    assert finding.hint


def test_crossed_lines_are_listed() -> None:
    finding = check_lines(permuted(WALKING, [0, 1, 2, 4, 5, 3, 6, 7]), COLOUR)
    assert finding.text == "lines are crossed: D3 is on D4, D4 is on D5, D5 is on D3"


@pytest.mark.parametrize("bit", range(8))
def test_stuck_lines_are_named(bit: int) -> None:
    values: npt.NDArray[np.uint8] = np.frombuffer(WALKING, np.uint8)
    low = check_lines((values & ~np.uint8(1 << bit)).tobytes(), COLOUR)
    high = check_lines((values | np.uint8(1 << bit)).tobytes(), COLOUR)
    assert low.text == f"D{bit} is always 0"
    assert high.text == f"D{bit} is always 1"
    assert not low.ok
    assert not high.ok


def test_lost_bytes_are_noticed() -> None:
    lines = check_lines(broken(WALKING, COLOUR, CameraFault.TORN), COLOUR)
    assert not lines.ok
    assert "torn" in lines.text or "no longer" in lines.text
    one = check_lines(WALKING[:40_000] + WALKING[40_001:] + b"\x01", COLOUR)
    assert not one.ok
    bars = check_bars(broken(BARS, COLOUR, CameraFault.TORN), COLOUR)
    assert bars.text == "the picture is torn from row 72 on"


def test_swapped_bytes_are_told_from_everything_else() -> None:
    lines = check_lines(broken(WALKING, COLOUR, CameraFault.SWAPPED_BYTES), COLOUR)
    assert lines.text == "the two bytes of each pixel are swapped"
    assert check_lines(bytes(COLOUR.bytes), COLOUR).text == "all of them are always 0"
    swapped = check_bars(broken(BARS, COLOUR, CameraFault.SWAPPED_BYTES), COLOUR)
    assert "swapped" in swapped.text
    assert "rgb565le" in swapped.hint
    noise = np.random.default_rng(0).integers(0, 256, COLOUR.bytes, dtype=np.uint8).tobytes()
    assert "cannot be recognised" in check_bars(noise, COLOUR).text
    assert not check_lines(noise, COLOUR).ok


@pytest.mark.parametrize(("value", "word"), [(0, "black"), (5, "black"), (255, "white"), (250, "white"), (99, "flat")])
def test_pictures_without_a_picture(value: int, word: str) -> None:
    finding = check_exposure(bytes([value]) * 25_344)
    assert not finding.ok
    assert word in finding.text
    assert finding.hint


def test_a_few_hot_pixels_do_not_hide_a_black_picture() -> None:
    data = bytearray(25_344)
    data[5] = data[1000] = 255
    assert "black" in check_exposure(bytes(data)).text


def test_pixel_values_undo_the_table() -> None:
    plain = preprocess.quantisation_table(InputSpec(1, 1, 1), Quantization(1 / 255, -128))
    assert np.array_equal(pixel_values(plain)[plain.view(np.uint8)], np.arange(256))
    narrow = preprocess.quantisation_table(InputSpec(1, 1, 1, pixel_range=(-1.0, 1.0)), Quantization(2 / 100, 0))
    back = pixel_values(narrow)[narrow.view(np.uint8)].astype(int)
    assert np.abs(back - np.arange(256)).max() <= 3  # 101 values stand for 256 pixels
