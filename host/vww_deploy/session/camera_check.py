"""What is wrong with a camera: from nothing at all to two swapped wires (``vww-deploy camera --check``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from vww_deploy.boards.camera_feed import TestPattern
from vww_deploy.errors import BoardError
from vww_deploy.graph.model import Model
from vww_deploy.link.device import Device
from vww_deploy.pictures.camera_format import CameraFormat, PixelFormat, decode_picture
from vww_deploy.session.camera import stills


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: of the check.
        ok: whether all is well.
        text: what was seen.
        hint: what to do about it; empty if all is well.
    """

    name: str
    ok: bool
    text: str
    hint: str = ""


_DARK: Final = 8
_BRIGHT: Final = 247
_LINE_HINT: Final = "Look at the data wires; on a Kit shield, at its revision: some swap D0 and D1."
_SWAPPED_BYTES: Final = "the two bytes of each pixel are swapped"
_SWAPPED_BYTES_HINT: Final = "Ask for the other byte order: --camera-format qcif:rgb565le."
_LOSS_HINT: Final = "Bytes are lost between sensor and board: press the plug in, shorten the wires, lower the clock."


def check_camera(device: Device, model: Model, size: tuple[int, int]) -> Iterator[Finding]:
    """Look at the camera step by step; ends at the first step that makes the next impossible.

    Args:
        device: with a camera.
        model: the one on it.
        size: width and height of the pictures to take.
    """
    gray = CameraFormat(*size, PixelFormat.GRAY8)
    colour = CameraFormat(*size, PixelFormat.RGB565_BIG)
    try:
        picture = next(iter(stills(device, model, gray, 1)))
    except BoardError as error:
        yield Finding("camera", False, error.message, error.hint)
        return
    yield Finding("camera", True, "it answers, and a picture came whole")
    yield check_exposure(picture)
    for name, pattern, check in (
        ("data lines", TestPattern.WALKING_ONE, check_lines),
        ("test picture", TestPattern.BARS, check_bars),
    ):
        try:
            seen = next(iter(stills(device, model, colour, 1, pattern)))
        except BoardError as error:
            yield Finding(name, False, error.message, error.hint)
            continue
        yield check(seen, colour)


def check_exposure(data: bytes) -> Finding:
    """Whether a gray picture shows something at all."""
    values = np.frombuffer(data, np.uint8)
    low, high = np.percentile(values, [1, 99])
    if high <= _DARK:
        return Finding(
            "exposure", False, "the picture is black", "Take the cap off; is there light? Are data lines open?"
        )
    if low >= _BRIGHT:
        return Finding(
            "exposure", False, "the picture is white", "Turn the camera away from the light; wait until it has adapted."
        )
    if high - low <= 2:
        return Finding("exposure", False, "the picture is one flat gray", "Is something right in front of the lens?")
    return Finding("exposure", True, f"values from {low:.0f} to {high:.0f}, mean {values.mean():.0f}")


def check_lines(data: bytes, camera_format: CameraFormat) -> Finding:
    """Data lines that are swapped, stuck or joined, and lost bytes, from the walking-one pattern."""
    name = "data lines"
    values = np.frombuffer(data, np.uint8)
    seen = np.array([np.bitwise_and.reduce(values), np.bitwise_or.reduce(values)])
    high = [bit for bit in range(8) if seen[0] >> bit & 1]
    low = [bit for bit in range(8) if not seen[1] >> bit & 1]
    if len(high) == 8 or len(low) == 8:
        return Finding(
            name,
            False,
            f"all of them are always {int(len(high) == 8)}",
            "Is the camera's power connected? " + _LINE_HINT,
        )
    if high or low:
        stuck = [f"D{bit} is always {level}" for level, bits in ((1, high), (0, low)) for bit in bits]
        return Finding(name, False, ", ".join(stuck), "That line is open, or touches its neighbour. " + _LINE_HINT)
    # Which value stands where in the cycle of eight? The commonest says so; what differs from it was disturbed.
    cycle = [int(np.bincount(values[k::8], minlength=256).argmax()) for k in range(8)]
    if sorted(cycle) != [1 << bit for bit in range(8)]:
        return Finding(name, False, "bytes are no longer where the sensor put them", _LOSS_HINT)
    moved = _moved_lines(cycle)
    if moved and not _moved_lines([cycle[k ^ 1] for k in range(8)]):
        return Finding(name, False, _SWAPPED_BYTES, _SWAPPED_BYTES_HINT)
    if len(moved) == 2:
        return Finding(name, False, f"D{moved[0][0]} and D{moved[1][0]} are swapped", _LINE_HINT)
    if moved:
        return Finding(name, False, "lines are crossed: " + ", ".join(f"D{a} is on D{b}" for a, b in moved), _LINE_HINT)
    expected = np.array(cycle, np.uint8)[np.arange(camera_format.bytes) % 8]
    disturbed = int((values != expected).sum())
    if disturbed:
        return Finding(
            name, False, f"{disturbed} of {camera_format.bytes} bytes are not where they should be (torn)", _LOSS_HINT
        )
    return Finding(name, True, "all eight carry their own bit")


def _moved_lines(cycle: list[int]) -> list[tuple[int, int]]:
    """(the sensor's line, the board's line that it lies on) for each that is not where it belongs."""
    bits = [value.bit_length() - 1 for value in cycle]
    # The sensor may begin anywhere in its cycle: take the beginning that leaves most lines where they belong.
    lines = [[bits[(line - begin) % 8] for line in range(8)] for begin in range(8)]
    seen_on = min(lines, key=lambda found: sum(bit != line for line, bit in enumerate(found)))
    return [(line, bit) for line, bit in enumerate(seen_on) if line != bit]


_BARS: Final = np.array([[1, 1, 1], [1, 1, 0], [0, 1, 1], [0, 1, 0], [1, 0, 1], [1, 0, 0], [0, 0, 1], [0, 0, 0]])


def check_bars(data: bytes, camera_format: CameraFormat) -> Finding:
    """Swapped bytes and torn pictures, from the eight colour bars (RGB565)."""
    name = "test picture"
    other = CameraFormat(camera_format.width, camera_format.height, PixelFormat.RGB565_LITTLE)
    if _matches_bars(data, camera_format).all():
        return Finding(name, True, "eight colour bars in their order")
    if _matches_bars(data, other).all():
        return Finding(name, False, _SWAPPED_BYTES, _SWAPPED_BYTES_HINT)
    good = _matches_bars(data, camera_format)
    if good.any():
        first = int(np.argmin(good))
        return Finding(name, False, f"the picture is torn from row {first} on", _LOSS_HINT)
    return Finding(name, False, "the colour bars cannot be recognised", _LINE_HINT)


def _matches_bars(data: bytes, camera_format: CameraFormat) -> npt.NDArray[np.bool_]:
    """For each row, whether the middles of the eight bars have about the right colours."""
    pixels = decode_picture(data, camera_format)
    middles = pixels[:, (np.arange(8) * 2 + 1) * camera_format.width // 16].astype(int)
    bright = middles > 127
    return np.asarray((bright == (_BARS == 1)).all(axis=(1, 2)))
