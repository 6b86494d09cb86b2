"""What a board says of itself when it is greeted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from vww_deploy.errors import LinkError
from vww_deploy.link import messages as m
from vww_deploy.link.channel import RESET_HINT
from vww_deploy.link.inference import Inference

# A model's input has some ten thousand bytes; what a board says is no reason to fill the memory.
MAX_INPUT_BYTES: Final = 1 << 24
# The largest models have some hundred layers.
MAX_LAYERS: Final = 4096
# More than a day on any clock, and a number that every store and program can hold.
MAX_TICKS: Final = 1 << 53

_CLOCK_NAMES: Final = {m.Clock.INSTRUCTIONS: "instructions", m.Clock.CYCLES: "cycles", m.Clock.MICROS: "micros"}


@dataclass(frozen=True)
class DeviceInfo:
    """What the board says of itself, its firmware and its model."""

    protocol_version: int
    schema_hash: int
    board: str
    firmware_version: str
    model_sha256: str
    height: int
    width: int
    channels: int
    input_scale: float
    input_zero_point: int
    outputs: int
    output_scale: float
    output_zero_point: int
    clock: str
    """What ticks count: ``instructions``, ``cycles`` or ``micros``."""
    clock_hz: int
    chunk_bytes: int
    window: int
    layers: int
    features: m.Feature

    @classmethod
    def of(cls, info: m.Info, port: str) -> DeviceInfo:
        """What the message means.

        Raises:
            LinkError: it makes no sense.
        """
        makes_sense = info.clock in _CLOCK_NAMES and info.clock_hz and info.chunk and info.window and info.outputs
        large = info.height * info.width * info.channels > MAX_INPUT_BYTES or info.layers > MAX_LAYERS
        real = all(math.isfinite(scale) and scale > 0 for scale in (info.input_scale, info.output_scale))
        if not makes_sense or large or not real:
            raise LinkError(f"{port}: the board describes itself in a way that makes no sense", hint=RESET_HINT)
        return cls(
            protocol_version=info.version,
            schema_hash=info.schema,
            board=info.board,
            firmware_version=info.firmware,
            model_sha256=info.model_sha256.hex(),
            height=info.height,
            width=info.width,
            channels=info.channels,
            input_scale=info.input_scale,
            input_zero_point=info.input_zero_point,
            outputs=info.outputs,
            output_scale=info.output_scale,
            output_zero_point=info.output_zero_point,
            clock=_CLOCK_NAMES[m.Clock(info.clock)],
            clock_hz=info.clock_hz,
            chunk_bytes=info.chunk,
            window=info.window,
            layers=info.layers,
            features=m.Feature(info.features),
        )

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        return self.height, self.width, self.channels

    def inference(
        self,
        port: str,
        number: int,
        outputs: bytes,
        ticks: int,
        *,
        retries: int = 0,
        stages: tuple[tuple[str, int], ...] = (),
    ) -> Inference:
        """What the board says of one picture.

        Raises:
            LinkError: it has not so many outputs, or no inference takes so long.
        """
        if len(outputs) != self.outputs:
            raise LinkError(f"{port}: {len(outputs)} outputs instead of {self.outputs}", hint=RESET_HINT)
        if ticks > MAX_TICKS:
            raise LinkError(f"{port}: the board says that an inference took {ticks:,} ticks", hint=RESET_HINT)
        return Inference(
            number=number,
            p_person=math.nan,
            latency_us=None if self.clock == "instructions" else ticks * 1_000_000 // self.clock_hz,
            ticks=ticks,
            retries=retries,
            outputs=tuple(np.frombuffer(outputs, np.int8).tolist()),
            stages=stages,
        )
