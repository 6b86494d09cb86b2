"""A board made of a program: events at any rate, for the monitor's tests and benchmark. Nothing here is random."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import skimage.data
from PIL import Image

from vww_deploy.link.inference import Inference
from vww_deploy.pictures.card import InputSpec
from vww_deploy.pictures.outputs import OutputSpec
from vww_deploy.pictures.preprocess import open_picture, to_pixels
from vww_deploy.session.events import (
    Connection,
    ConsoleLine,
    Event,
    LayerTimes,
    LinkReport,
    Peer,
    ShownPicture,
)
from vww_deploy.session.source import Control

PICTURES = (("astronaut", 0.97), ("cat", 0.04), ("camera", 0.88), ("coffee", 0.02), ("rocket", 0.11))
"""Names of scikit-image's photographs, and the P(person) that the generated board gives each."""

PLACES = {name: 6 + i for i, (name, _) in enumerate(PICTURES)}
"""The cell of a map, counted by rows, in which each photograph shows its probability."""

LAYERS = (("conv2d 3x3", 1_200_000), ("depthwise 1", 700_000), ("pointwise 1", 900_000), ("mean", 40_000))

CUPS = OutputSpec(("background", "cup"), 1, "the test", rows=4, columns=4, scale=1 / 256, zero_point=-128)
"""What the outputs mean where the generated board has a map of cells."""


def board_info(channels: int = 1, port: str = "/dev/generated", outputs: OutputSpec | None = None) -> Peer:
    """What the generated board says about itself."""
    return Peer(
        board="generated",
        port=port,
        firmware="1.2.3",
        model="person_96_gray",
        model_sha256="ab" * 32,
        outputs=outputs or OutputSpec(),
        threshold=0.5,
        clock="instructions",
        clock_hz=1_000_000_000,
        height=96,
        width=96,
        channels=channels,
    )


class GeneratedSource:
    """Shows scikit-image's photographs in turn.

    Args:
        fps: pictures a second; 0 for as fast as it goes.
        pictures: how many; None for no end.
        console: a line of text to print with every tenth picture.
        channels: of the model's input.
    """

    takes_pictures = True
    replays = False
    title = "generated"

    def __init__(
        self, fps: float = 10.0, pictures: int | None = None, console: str = "picture {}", channels: int = 1
    ) -> None:
        self.fps = fps
        self.pictures = pictures
        self.console = console
        self.channels = channels
        self.outputs = OutputSpec()
        """Another one counts from the next connection on."""
        self.gone = threading.Event()
        """Set it, and the board is away until it is cleared."""
        self.port = "/dev/generated"
        self._pictures = []
        for name, p_person in PICTURES:
            image = Image.fromarray(getattr(skimage.data, name)())
            image.thumbnail((320, 320))
            self._pictures.append((name, p_person, self._pixels(image), np.asarray(image.convert("RGB"))))

    def ports(self) -> list[tuple[str, str]]:
        return [("/dev/generated", "generated"), ("/dev/another", "another generated")]

    def events(self, control: Control) -> Iterator[Event]:
        number = 0
        due = time.monotonic()
        while not control.stopped and number != self.pictures:
            yield Connection("connected", board=board_info(self.channels, self.port, self.outputs))
            yield LayerTimes(LAYERS)
            while not control.stopped and number != self.pictures and not self.gone.is_set():
                if (port := control.take_port()) is not None:
                    self.port = port
                    break
                if (sent := control.take_picture()) is not None:
                    image = open_picture(sent.data)
                    raw = np.asarray(image.convert("RGB"))
                    picture = (sent.name, 0.5, self._pixels(image), raw)
                elif control.paused:
                    control.wait_for_request(0.05)
                    continue
                else:
                    picture = self._pictures[number % len(self._pictures)]
                yield from self._picture(number, *picture)
                number += 1
                if self.fps:
                    due = max(due + 1 / self.fps, time.monotonic() - 1)
                    control.wait_while_streaming(due - time.monotonic())
            if self.gone.is_set():
                yield Connection("lost", "/dev/generated has gone; plug it in again")
                while self.gone.is_set() and not control.stopped:
                    control.wait_for_request(0.02)
        yield Connection("ended")

    def _pixels(self, image: Image.Image) -> np.ndarray:
        return to_pixels(image, InputSpec(96, 96, self.channels))

    def _picture(self, number: int, name: str, p_person: float, pixels: np.ndarray, raw: np.ndarray) -> Iterator[Event]:
        yield ShownPicture(number, pixels, raw, source=name)
        ticks = 70_000_000 + 1_500_000 * (number % 7)
        stages = (("upload", 9_000_000 + 300_000 * (number % 5)), ("inference", ticks), ("transfer", 800_000))
        outputs: tuple[int, ...] = (int(127 - 255 * p_person), 0)
        if self.outputs.is_map:
            cells = np.tile(np.array([127, -128]), (16, 1))
            cells[PLACES.get(name, 0)] = (127 - round(256 * p_person), round(256 * p_person) - 128)
            outputs = tuple(cells.ravel().tolist())
        yield Inference(number, p_person, None, ticks, outputs=outputs, stages=stages)
        if number % 10 == 0:
            yield ConsoleLine(self.console.format(number))
            yield LinkReport(number * 420, number * 9_300, number // 50, 0, 0)
