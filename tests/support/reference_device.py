"""A board for tests of sessions: the reference itself, behind the client's interface."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt

from vww_deploy.errors import LinkError
from vww_deploy.graph.model import Model
from vww_deploy.link.device import Inference
from vww_deploy.link.messages import Feature


class ReferenceDevice:
    """Answers as a board would.

    ``spoil`` changes an answer, ``fail_at`` loses the board before the answer of that number.
    """

    port = "/dev/ttyTEST"
    link = SimpleNamespace(retries=0, bad_frames=0, reconnects=0)

    def __init__(self, model: Model, *, features: int = 0, spoil: bool = False, fail_at: int | None = None) -> None:
        spec = model.card.input
        self.info = SimpleNamespace(
            model_sha256=model.sha256,
            board="nano33ble",
            firmware_version="0.1.0",
            protocol_version=1,
            clock="cycles",
            clock_hz=64_000_000,
            features=Feature(features),
            input_shape=(spec.height, spec.width, spec.channels),
        )
        self.listeners: list[Callable[[str], None]] = []
        self._model = model
        self._spoil = spoil
        self._fail_at = fail_at

    @contextmanager
    def hearing(self, listener: Callable[[str], None]) -> Iterator[None]:
        self.listeners.append(listener)
        yield
        self.listeners.remove(listener)

    def say(self, line: str) -> None:
        for listener in self.listeners:
            listener(line)

    def infer_many(self, images: Iterable[npt.NDArray[np.int8]]) -> Iterator[Inference]:
        for number, image in enumerate(images):
            if number == self._fail_at:
                raise LinkError("/dev/ttyTEST: the board is gone")
            output = self._model.reference.run(image).reshape(-1).copy()
            output[0] += self._spoil
            self.say(f"inference {number}")
            yield Inference(number, output, 640_000, "cycles", 10_000, number % 2)
