"""Pictures in a terminal, drawn back to pixels by small readers of each format."""

from __future__ import annotations

import base64
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vww_deploy.monitor.graphics import Colours, Graphics, fit, half_blocks, kitty, parse_answer, scaled, sixel
from vww_deploy.runs.recording import from_png

GRAY = np.arange(96 * 96, dtype=np.uint32).reshape(96, 96, 1).astype(np.uint8)
RGB = np.stack([GRAY[:, :, 0], GRAY[::-1, :, 0], GRAY[:, ::-1, 0]], axis=2)


@pytest.mark.parametrize(
    ("answer", "graphics"),
    [
        (b"", Graphics.BLOCKS),
        (b"\x1b[?62;22c", Graphics.BLOCKS),
        (b"\x1b[?62;4;22c", Graphics.SIXEL),
        (b"\x1b[?64;14;22c", Graphics.BLOCKS),
        (b"\x1b_Gi=31;OK\x1b\\\x1b[?62;4c", Graphics.KITTY),
        (b"\x1b_Gi=31;EINVAL:x\x1b\\\x1b[?62;4c", Graphics.SIXEL),
    ],
)
def test_what_the_terminal_says_decides(answer: bytes, graphics: Graphics) -> None:
    assert parse_answer(answer) is graphics


@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 60), st.integers(1, 200))
def test_a_picture_fits_and_keeps_its_shape(height: int, width: int, rows: int, columns: int) -> None:
    r, c = fit(height, width, rows, columns)
    assert 1 <= r <= rows
    assert 1 <= c <= columns
    assert r == rows or c == columns or (r + 1) * 2 > rows  # as large as it goes, but for rounding
    if r > 3 and c > 3:
        assert 2 * r / c == pytest.approx(height / width, rel=0.5)


def test_growing_repeats_pixels_and_shrinking_averages() -> None:
    assert np.array_equal(scaled(GRAY, 192, 192), GRAY.repeat(2, axis=0).repeat(2, axis=1))
    flat = np.full((96, 96, 3), 77, np.uint8)
    assert np.array_equal(scaled(flat, 10, 7), np.full((10, 7, 3), 77))


@pytest.mark.parametrize("picture", [GRAY, RGB])
def test_half_blocks_in_true_colour_are_the_picture(picture: np.ndarray) -> None:
    lines = half_blocks(picture, 48, 96, Colours.TRUE)
    drawn = np.zeros((96, 96, 3), int)
    for y, line in enumerate(lines):
        x, upper, lower = 0, (0, 0, 0), (0, 0, 0)
        for code, text in re.findall(r"\x1b\[([0-9;]*)m(▀*)", line):
            if code != "0":
                values = [int(v) for v in code.split(";")]
                assert (values[0], values[1], values[5], values[6]) == (38, 2, 48, 2)
                upper, lower = (values[2], values[3], values[4]), (values[7], values[8], values[9])
            for _ in text:
                drawn[2 * y, x], drawn[2 * y + 1, x] = upper, lower
                x += 1
        assert x == 96
    assert np.array_equal(drawn, np.broadcast_to(picture, (96, 96, 3)))


def test_half_blocks_have_256_colours_and_none_too() -> None:
    indexed = half_blocks(GRAY, 10, 20, Colours.INDEXED)
    assert all(16 <= int(n) <= 255 for n in re.findall(r"[34]8;5;(\d+)", "".join(indexed)))
    plain = half_blocks(np.linspace(0, 255, 96 * 96).astype(np.uint8).reshape(96, 96, 1), 10, 20, Colours.NONE)
    assert plain[0] == " " * 20
    assert plain[9] == "@" * 20
    assert [len(line) for line in plain] == [20] * 10


@pytest.mark.parametrize("picture", [GRAY, RGB])
def test_kitty_carries_the_picture_whole(picture: np.ndarray) -> None:
    text = kitty(picture, 20, 40)
    chunks = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", text)
    assert "".join(f"\x1b_G{keys};{data}\x1b\\" for keys, data in chunks) == text
    assert "r=20,c=40" in chunks[0][0]
    assert [keys[-1] for keys, _ in chunks] == ["1"] * (len(chunks) - 1) + ["0"]
    assert all(len(data) <= 4096 for _, data in chunks)
    sent = from_png(base64.b64decode("".join(data for _, data in chunks)))
    assert np.array_equal(sent[::4, ::4], picture)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]))
def test_sixels_are_the_picture_to_the_nearest_colour(height: int, width: int, channels: int) -> None:
    picture = (GRAY if channels == 1 else RGB)[:height, :width]
    drawn = read_sixels(sixel(picture, height, width), height, width)
    step = 255 / 31 if channels == 1 else 255 / 5
    assert (
        np.abs(drawn - np.broadcast_to(picture, drawn.shape)).max() <= step / 2 + 2
    )  # 2: colours are in whole percent


def read_sixels(text: str, height: int, width: int) -> np.ndarray:
    """A reader of sixels, written after the format's description: what a terminal does."""
    body = re.fullmatch(r'\x1bP0;1;0q"1;1;(\d+);(\d+)(.*)\x1b\\', text)
    assert body is not None
    assert (int(body[1]), int(body[2])) == (width, height)
    palette: dict[int, tuple[float, float, float]] = {}
    drawn = np.full((height, width, 3), -1000.0)
    x = y = 0
    colour = 0
    for number, rgb, count, char, control in re.findall(r"#(\d+)((?:;\d+){4})?|(?:!(\d+))?([?-~])|([$-])", body[3]):
        if number:
            colour = int(number)
            if rgb:
                _, space, r, g, b = rgb.split(";")
                assert space == "2"
                palette[colour] = (int(r) * 2.55, int(g) * 2.55, int(b) * 2.55)
        elif char:
            for _ in range(int(count or 1)):
                for bit in range(6):
                    if (ord(char) - 63) >> bit & 1:
                        drawn[y + bit, x] = palette[colour]
                x += 1
        elif control == "$":
            x = 0
        else:
            x, y = 0, y + 6
    return drawn
