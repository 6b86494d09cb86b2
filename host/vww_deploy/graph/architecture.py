"""A convolutional classifier as numbers: what `search` varies, and what networks are built and costed from.

A stem, a row of blocks, a mean over the map and a classifier. Two kinds of block: depthwise separable (MobileNet v1,
Howard et al., 2017) and inverted residual (MobileNet v2, Sandler et al., 2018).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from vww_deploy.errors import DataError
from vww_deploy.graph.costs import BLOCKS, KERNEL, STEM_CHANNELS, scaled

Kind = Literal["separable", "inverted"]
STEM_KERNEL: Final = 3
STEM_STRIDE: Final = 2


@dataclass(frozen=True)
class Block:
    """One block: ``channels`` it gives out, the depthwise ``kernel`` and ``stride``, and the ``expansion`` of an
    inverted residual one (1 for a separable one).
    """

    channels: int
    kernel: int = 3
    stride: int = 1
    expansion: int = 1


@dataclass(frozen=True)
class Convolution:
    """One convolution of a network, ``depthwise`` or not: ``kernel`` and ``stride`` of both sides, its channels.

    ``block`` is its block's number from 1 (0 for the stem), ``relu6`` whether ReLU6 follows, and ``residual`` whether
    the block's input is added to what it gives.
    """

    name: str
    block: int
    inputs: int
    outputs: int
    kernel: int = 1
    stride: int = 1
    depthwise: bool = False
    relu6: bool = True
    residual: bool = False


@dataclass(frozen=True)
class Architecture:
    """A network: the picture's ``side`` in pixels and ``channels``, the ``stem``'s channels, its blocks, its classes.

    Every convolution is followed by ReLU6 but the last of an inverted residual block, which adds its input where
    shapes allow.
    """

    kind: Kind
    side: int
    channels: int
    stem: int
    blocks: tuple[Block, ...]
    classes: int = 2

    @property
    def key(self) -> str:
        """Twelve hex digits by which the architecture is known."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:12]

    @property
    def final_side(self) -> int:
        """The side of the last map in pixels."""
        side = -(-self.side // STEM_STRIDE)
        for block in self.blocks:
            side = -(-side // block.stride)
        return side

    def convolutions(self) -> Iterator[Convolution]:
        """The convolutions in their order: ``conv0``, then of each block ``dw1`` and ``pw1``, with ``ex1`` before them
        in an inverted residual one.
        """
        yield Convolution("conv0", 0, self.channels, self.stem, STEM_KERNEL, STEM_STRIDE)
        inputs = self.stem
        for number, block in enumerate(self.blocks, start=1):
            inner, inverted = inputs * block.expansion, self.kind == "inverted"
            if inverted:
                yield Convolution(f"ex{number}", number, inputs, inner)
            yield Convolution(f"dw{number}", number, inner, inner, block.kernel, block.stride, depthwise=True)
            same = inverted and block.stride == 1 and block.channels == inputs
            yield Convolution(f"pw{number}", number, inner, block.channels, relu6=not inverted, residual=same)
            inputs = block.channels

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Architecture:
        """The inverse of :meth:`to_json`.

        Raises:
            DataError: the values describe no architecture.
        """
        try:
            blocks = tuple(Block(**block) for block in values["blocks"])
            return cls(**{**values, "blocks": blocks})
        except (KeyError, TypeError) as error:
            raise DataError(f"these values describe no architecture: {error}") from error

    @classmethod
    def mobilenet_v1(cls, depth_multiplier: float, side: int, channels: int, classes: int = 2) -> Architecture:
        """MobileNet v1."""
        blocks = tuple(Block(scaled(filters, depth_multiplier), KERNEL, stride) for filters, stride in BLOCKS)
        return cls("separable", side, channels, scaled(STEM_CHANNELS, depth_multiplier), blocks, classes)
