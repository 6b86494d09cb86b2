"""Pictures in a terminal: half blocks everywhere, kitty graphics or sixels where the terminal says it has them."""

from __future__ import annotations

import base64
import os
import re
import time
from enum import Enum
from typing import Final, TextIO

import numpy as np
import numpy.typing as npt

from vww_deploy.monitor.keyboard import Keyboard
from vww_deploy.pictures.preprocess import area_resize
from vww_deploy.runs.recording import to_png
from vww_deploy.session.events import Pixels

_ANSWER_TIMEOUT_S: Final = 0.5  # a terminal over ssh on another continent answers within this
_KITTY_ID: Final = 7777  # each picture replaces the one with the same id
_KITTY_CHUNK: Final = 4096  # the protocol's limit
_SIXEL_LEVELS: Final = 32  # grays; more cost time and cannot be distinguished
_ASCII_RAMP: Final = " .:-=+*#%@"


class Graphics(Enum):
    """How pictures are drawn."""

    BLOCKS = "blocks"
    SIXEL = "sixel"
    KITTY = "kitty"


class Colours(Enum):
    """The colours that text may have."""

    NONE = "none"
    INDEXED = "256"
    TRUE = "truecolor"


def detect(keyboard: Keyboard, screen: TextIO) -> Graphics:
    """Ask a terminal, whose keyboard is taken, what it can draw; half blocks if it does not say.

    Kitty's query is answered by terminals that have its protocol; every terminal answers the request for device
    attributes behind it, in which a 4 stands for sixels.
    """
    if "TMUX" in os.environ or os.environ.get("TERM", "").startswith("screen"):
        return Graphics.BLOCKS  # they pass pictures on only when told to
    screen.write("\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c")
    screen.flush()
    return parse_answer(_read_until(keyboard, b"c", _ANSWER_TIMEOUT_S))


def parse_answer(answer: bytes) -> Graphics:
    """What the terminal's answer to the two questions says."""
    if b"\x1b_Gi=31;OK" in answer:
        return Graphics.KITTY
    attributes = re.search(rb"\x1b\[\?([0-9;]*)c", answer)
    if attributes and b"4" in attributes.group(1).split(b";"):
        return Graphics.SIXEL
    return Graphics.BLOCKS


def fit(height: int, width: int, rows: int, columns: int) -> tuple[int, int]:
    """The cells (rows, columns) that a picture takes, its shape kept; a cell is as high as two are wide.

    At least one of each.
    """
    scale = min(columns / width, 2 * rows / height)
    return max(1, min(rows, round(height * scale / 2))), max(1, min(columns, round(width * scale)))


def scaled(pixels: Pixels, height: int, width: int) -> Pixels:
    """The picture at another size: area average where it shrinks, whole pixels where it grows."""
    h, w = pixels.shape[:2]
    small = area_resize(pixels, min(h, height), min(w, width))
    h, w = small.shape[:2]
    grown: Pixels = small[np.arange(height) * h // height][:, np.arange(width) * w // width]
    return grown


def half_blocks(pixels: Pixels, rows: int, columns: int, colours: Colours) -> list[str]:
    """A line of text with ANSI colours for each row of cells; each cell shows two pixels, one above the other."""
    if colours is Colours.NONE:
        gray = scaled(pixels, rows, columns).mean(axis=2)
        return ["".join(_ASCII_RAMP[int(v) * len(_ASCII_RAMP) // 256] for v in line) for line in gray]
    picture = scaled(pixels, 2 * rows, columns)
    codes = _true_codes(picture) if colours is Colours.TRUE else _indexed_codes(picture)
    lines = []
    for row in range(rows):
        line: list[str] = []
        last = ("", "")
        for upper, lower in zip(codes[2 * row], codes[2 * row + 1], strict=True):
            if (upper, lower) != last:  # runs of one colour need one code
                line.append(f"\x1b[38;{upper};48;{lower}m")
                last = (upper, lower)
            line.append("▀")
        lines.append("".join(line) + "\x1b[0m")
    return lines


def kitty(pixels: Pixels, rows: int, columns: int) -> str:
    """Kitty's graphics protocol: the picture as PNG over that many cells at the cursor, which stays where it is."""
    # A small picture is smoothed by the terminal when it grows; whole pixels are sent instead.
    factor = max(1, 384 // pixels.shape[0])
    data = base64.b64encode(to_png(pixels.repeat(factor, axis=0).repeat(factor, axis=1))).decode()
    chunks = [data[i : i + _KITTY_CHUNK] for i in range(0, len(data), _KITTY_CHUNK)]
    keys = f"a=T,f=100,i={_KITTY_ID},p=1,q=2,C=1,r={rows},c={columns},"
    return "".join(
        f"\x1b_G{keys if n == 0 else ''}m={int(n < len(chunks) - 1)};{chunk}\x1b\\" for n, chunk in enumerate(chunks)
    )


def kitty_clear() -> str:
    """Remove the picture."""
    return f"\x1b_Ga=d,d=I,i={_KITTY_ID},q=2\x1b\\"


def sixel(pixels: Pixels, height: int, width: int) -> str:
    """The picture as sixels, ``height`` by ``width`` screen pixels, at the cursor."""
    picture = scaled(pixels, height, width)
    index, palette = _palette(picture)
    out = [f'\x1bP0;1;0q"1;1;{width};{height}']
    out += [f"#{n};2;{r};{g};{b}" for n, (r, g, b) in enumerate(palette)]
    bits = (1 << np.arange(6)).astype(np.uint8)[:, None]
    for top in range(0, height, 6):
        band = index[top : top + 6]
        for colour in np.unique(band):
            sixels = ((band == colour) * bits[: len(band)]).sum(axis=0).astype(np.uint8) + 63
            text = re.sub(r"(.)\1{3,}", _run, sixels.astype(np.uint8).tobytes().decode("ascii"))
            out.append(f"#{colour}{text}$")
        out.append("-")
    return "".join(out) + "\x1b\\"


def _run(match: re.Match[str]) -> str:
    return f"!{len(match.group())}{match.group(1)}"


def _palette(picture: Pixels) -> tuple[npt.NDArray[np.intp], list[tuple[int, int, int]]]:
    """Colour numbers, and each colour in percent: grays, or six levels each of red, green and blue."""
    if picture.shape[2] == 1:
        top = _SIXEL_LEVELS - 1
        grays = [round(100 * n / top) for n in range(_SIXEL_LEVELS)]
        return (picture[:, :, 0].astype(np.intp) * top + 127) // 255, [(g, g, g) for g in grays]
    levels = (picture.astype(np.intp) * 5 + 127) // 255
    palette = [(20 * (n // 36), 20 * (n // 6 % 6), 20 * (n % 6)) for n in range(216)]
    return levels[:, :, 0] * 36 + levels[:, :, 1] * 6 + levels[:, :, 2], palette


def _true_codes(picture: Pixels) -> list[list[str]]:
    if picture.shape[2] == 1:
        return [[_GRAYS[v] for v in line] for line in picture[:, :, 0].tolist()]
    return [[f"2;{r};{g};{b}" for r, g, b in line] for line in picture.tolist()]


def _indexed_codes(picture: Pixels) -> list[list[str]]:
    if picture.shape[2] == 1:  # 24 grays, black and white
        steps = (picture[:, :, 0].astype(int) * 25 + 127) // 255
        return [[f"5;{16 if v == 0 else 231 if v == 25 else 231 + v}" for v in line] for line in steps.tolist()]
    levels = (picture.astype(int) * 5 + 127) // 255
    cube = 16 + levels[:, :, 0] * 36 + levels[:, :, 1] * 6 + levels[:, :, 2]
    return [[f"5;{v}" for v in line] for line in cube.tolist()]


_GRAYS: Final = [f"2;{v};{v};{v}" for v in range(256)]


def _read_until(keyboard: Keyboard, end: bytes, timeout_s: float) -> bytes:
    answer = b""
    until = time.monotonic() + timeout_s
    while not answer.endswith(end) and (left := until - time.monotonic()) > 0:
        if not (data := keyboard.read(left)):
            break
        answer += data
    return answer
