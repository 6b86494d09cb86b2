"""A board for tests of sessions: the reference itself, behind the client's interface."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from vww_deploy.compiler.compiled import compiled_layers
from vww_deploy.errors import LinkError
from vww_deploy.graph.ir import Graph
from vww_deploy.graph.model import Model
from vww_deploy.link.inference import Inference
from vww_deploy.link.messages import Feature


def described(graph: Graph) -> dict[str, Any]:
    """What a board with this model says of it, as :class:`DeviceInfo` has it."""
    given, last = graph.input_activation, graph.output_activation
    return {
        "model_sha256": graph.sha256,
        "input_shape": given.shape,
        "height": given.shape[0],
        "width": given.shape[1],
        "channels": given.shape[2],
        "input_scale": float(np.float32(given.quantization.scale)),
        "input_zero_point": given.quantization.zero_point,
        "outputs": last.size,
        "output_scale": float(np.float32(last.quantization.scale)),
        "output_zero_point": last.quantization.zero_point,
        "layers": len(compiled_layers(graph)),
    }


class PlayedConsole:
    """The part of a played device that prints."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[str], None]] = []

    @contextmanager
    def hearing(self, listener: Callable[[str], None]) -> Iterator[None]:
        self.listeners.append(listener)
        yield
        self.listeners.remove(listener)

    def say(self, line: str) -> None:
        for listener in self.listeners:
            listener(line)


class ReferenceDevice(PlayedConsole):
    """Answers as a board would.

    ``spoil`` changes an answer, ``fail_at`` loses the board before the answer of that number.
    """

    port = "/dev/ttyTEST"
    link = SimpleNamespace(retries=0, bad_frames=0, reconnects=0)

    def __init__(self, model: Model, *, features: int = 0, spoil: bool = False, fail_at: int | None = None) -> None:
        self.info = SimpleNamespace(
            **described(model.graph),
            board="nano33ble",
            firmware_version="0.1.0",
            protocol_version=1,
            clock="cycles",
            clock_hz=64_000_000,
            features=Feature(features),
        )
        super().__init__()
        self._model = model
        self._spoil = spoil
        self._fail_at = fail_at

    def infer_many(self, images: Iterable[npt.NDArray[np.int8]]) -> Iterator[Inference]:
        for number, image in enumerate(images):
            if number == self._fail_at:
                raise LinkError("/dev/ttyTEST: the board is gone")
            output = self._model.reference.run(image).reshape(-1).copy()
            output[0] += self._spoil
            self.say(f"inference {number}")
            yield Inference(number, math.nan, 10_000, 640_000, number % 2, tuple(output.tolist()))
