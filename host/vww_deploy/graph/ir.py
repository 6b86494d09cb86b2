"""The network as data: int8 activations between a chain of typed operators.

Everything here is immutable. A :class:`Graph` is normalised: batch 1, every activation an int8 picture of ``height
x width x channels``, one input, one output, shape arithmetic gone, padding explicit, requantisation multipliers
computed. Passes are functions Graph -> Graph.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Int8Array: TypeAlias = npt.NDArray[np.int8]
Int32Array: TypeAlias = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Quantization:
    """``real = scale * (value - zero_point)``; ``scale`` holds a float32 value exactly."""

    scale: float
    zero_point: int


@dataclass(frozen=True)
class Activation:
    """An int8 tensor between operators, ``height x width x channels``.

    ``source`` is its index in the file and ``axes[i]`` the axis (0 height, 1 width, 2 channel, None for a dimension
    of one) that dimension i of the file's tensor is. ``live`` lists the file's channels that are left after
    constant ones were folded away; None means all.
    """

    id: int
    name: str
    height: int
    width: int
    channels: int
    quantization: Quantization
    source: int
    axes: tuple[int | None, ...]
    live: tuple[int, ...] | None = None

    @property
    def size(self) -> int:
        """Bytes of the whole tensor."""
        return self.height * self.width * self.channels

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels

    def from_file(self, array: npt.NDArray[np.generic]) -> Int8Array:
        """The file tensor's value (int8, or uint8 with its zero point 128 higher) as this activation, [height,
        width, channels] int8.
        """
        if array.dtype == np.uint8:
            array = (array.astype(np.int16) - 128).astype(np.int8)
        file_shape = [1, 1, 1]
        order = [d for d, axis in enumerate(self.axes) if axis is not None]
        order.sort(key=lambda d: self.axes[d] or 0)
        for d in order:
            file_shape[self.axes[d] or 0] = array.shape[d]
        rest = [d for d, axis in enumerate(self.axes) if axis is None]
        picture = array.transpose(rest + order).reshape(file_shape)
        if self.live is not None:
            picture = picture[:, :, list(self.live)]
        return np.ascontiguousarray(picture, dtype=np.int8)


@dataclass(frozen=True)
class Padding:
    """Rows and columns of the input's zero point around a picture; negative bottom/right means that the last ones
    are never read.
    """

    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0


@dataclass(frozen=True)
class Window:
    """A sliding window: kernel size, stride, dilation (all rows then columns) and the padding at the top left."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int] = (1, 1)
    padding: Padding = Padding()


@dataclass(frozen=True, eq=False)
class Requantization:
    """What turns an int32 accumulator into an output channel: bias, then multiplier and shift (TFLite's: positive
    shifts left), then the clamp.

    All int32 arrays have one entry for each output channel. ``rounds_once`` marks FULLY_CONNECTED: LiteRT's reference
    rounds its scaling once, half up, where convolutions round twice.
    """

    bias: Int32Array
    multiplier: Int32Array
    shift: Int32Array
    clamp_min: int = -128
    clamp_max: int = 127
    rounds_once: bool = False


@dataclass(frozen=True, eq=False)
class Op:
    """An operator: ``index`` and ``kind`` as in the file, ``inputs`` and ``output`` are activation ids."""

    index: int
    kind: str
    inputs: tuple[int, ...]
    output: int

    def macs(self, graph: Graph) -> int:
        """Multiply-accumulates of one inference, padding counted as TFLite counts it."""
        return 0


@dataclass(frozen=True, eq=False)
class Conv2D(Op):
    """Convolution; ``weights`` int8 [out, kernel_h, kernel_w, in]."""

    weights: Int8Array
    window: Window
    requantization: Requantization

    def macs(self, graph: Graph) -> int:
        out = graph.activations[self.output]
        return out.height * out.width * int(self.weights.size)

    @property
    def is_pointwise(self) -> bool:
        """True for 1x1 convolutions that read just the pixel they write."""
        padding = self.window.padding
        unpadded = not any((padding.top, padding.left, padding.bottom, padding.right))
        return self.window.kernel == self.window.stride == (1, 1) and unpadded


@dataclass(frozen=True, eq=False)
class DepthwiseConv2D(Op):
    """Depthwise convolution; ``weights`` int8 [kernel_h, kernel_w, in * multiplier], output channel o reads input
    channel o // multiplier.
    """

    weights: Int8Array
    window: Window
    requantization: Requantization
    depth_multiplier: int

    def macs(self, graph: Graph) -> int:
        out = graph.activations[self.output]
        return out.height * out.width * int(self.weights.size)


@dataclass(frozen=True, eq=False)
class FullyConnected(Op):
    """Matrix times vector over the whole input in height, width, channel order; ``weights`` int8 [out, in]."""

    weights: Int8Array
    requantization: Requantization

    def macs(self, graph: Graph) -> int:
        return int(self.weights.size)


@dataclass(frozen=True, eq=False)
class Pool(Op):
    """AVERAGE_POOL_2D or MAX_POOL_2D (see ``kind``); padding takes no part in the average."""

    window: Window
    clamp_min: int = -128
    clamp_max: int = 127


@dataclass(frozen=True, eq=False)
class Mean(Op):
    """Mean over ``axes`` (0 height, 1 width); ``multiplier``/``shift`` rescale sum of the values (see the reader)."""

    axes: tuple[int, ...]
    multiplier: int
    shift: int


@dataclass(frozen=True, eq=False)
class Add(Op):
    """Sum of two pictures of one shape, TFLite's three multipliers with a left shift of 20."""

    multipliers: tuple[int, int, int]  # input 1, input 2, output
    shifts: tuple[int, int, int]
    clamp_min: int = -128
    clamp_max: int = 127


@dataclass(frozen=True, eq=False)
class Pad(Op):
    """Zero points around a picture and beside its channels."""

    padding: Padding
    channels_before: int = 0
    channels_after: int = 0


@dataclass(frozen=True, eq=False)
class Reshape(Op):
    """Another shape over the same values in height, width, channel order."""


@dataclass(frozen=True, eq=False)
class Copy(Op):
    """Copies planes to height, width, channel order, or back; ours, not the file's."""

    to_interleaved: bool


@dataclass(frozen=True, eq=False)
class Softmax(Op):
    """Softmax over the channels, ``beta`` as in the file."""

    beta: float


@dataclass(frozen=True, eq=False)
class Requantize(Op):
    """From one scale and zero point to another."""

    multiplier: int
    shift: int


@dataclass(frozen=True, eq=False)
class Graph:
    """A normalised network.

    ``ops`` are in execution order. ``sha256`` is the file's, in hex; ``tflite`` the (repaired) file for the
    reference interpreter; ``notices`` tells what was repaired or is unusual; ``folded`` counts the file's operators
    that reading made superfluous, by kind.
    """

    name: str
    sha256: str
    tflite: bytes
    activations: Mapping[int, Activation]
    ops: tuple[Op, ...]
    input: int
    output: int
    notices: tuple[str, ...] = ()
    folded: Mapping[str, int] = field(default_factory=dict)

    @property
    def input_activation(self) -> Activation:
        """The int8 input."""
        return self.activations[self.input]

    @property
    def output_activation(self) -> Activation:
        """The int8 output."""
        return self.activations[self.output]

    def is_interleaved(self, activation: int) -> bool:
        """True for an input that lies pixel after pixel, as the host sends it, where planes would lie otherwise."""
        given = self.activations[activation]
        return activation == self.input and given.channels > 1 and given.height * given.width > 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(op.macs(self) for op in self.ops)

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        total = 0
        for op in self.ops:
            if isinstance(op, Conv2D | DepthwiseConv2D | FullyConnected):
                total += int(op.weights.size) + int(op.requantization.bias.size)
        return total

    def replace(self, **changes: object) -> Graph:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]
