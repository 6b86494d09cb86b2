"""The network as data: int8 activations between a chain of typed operators.

Everything here is immutable. A :class:`Graph` is normalised: batch 1, every activation an int8 picture of ``height
x width x channels``, one input, one output, shape arithmetic gone, padding explicit, requantisation multipliers
computed. Passes are functions Graph -> Graph.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from vww_deploy.graph.geometry import Padding, RowMap
from vww_deploy.graph.ranges import Mask, Range, Values, anything, scaled

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
    of one) that dimension i of the file's tensor is; no axes at all stand for the same values in another shape.
    ``live`` lists the file's channels that are left after constant ones were folded away; None means all. ``tiles``
    are the file's tensors that hold strips of it, each with its first row, where the file has no tensor of the whole.
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
    tiles: tuple[tuple[int, int], ...] = ()

    @property
    def size(self) -> int:
        """Bytes of the whole tensor."""
        return self.height * self.width * self.channels

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels

    @property
    def sources(self) -> tuple[int, ...]:
        """The indices of the file's tensors that :meth:`from_file` takes the values of."""
        return tuple(tensor for tensor, _ in self.tiles) or (self.source,)

    def from_file(self, *arrays: npt.NDArray[np.generic]) -> Int8Array:
        """The values of :attr:`sources` (int8, or uint8 with its zero point 128 higher) as this activation, [height,
        width, channels] int8.
        """
        if not self.tiles:
            return self._picture(arrays[0])
        whole = np.empty(self.shape, np.int8)
        for (_, row), array in zip(self.tiles, arrays, strict=True):
            strip = self._picture(array)
            whole[row : row + len(strip)] = strip
        return whole

    def _picture(self, array: npt.NDArray[np.generic]) -> Int8Array:
        if array.dtype == np.uint8:
            array = (array.astype(np.int16) - 128).astype(np.int8)
        if not self.axes:  # another shape over the same values
            return np.ascontiguousarray(array.reshape(self.shape), dtype=np.int8)
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

    def to_file(self, picture: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """A whole picture [height, width, channels] in the order of the file's tensor; its shape is the caller's."""
        order = [axis for axis in self.axes if axis is not None]
        return picture.transpose(order) if len(order) == 3 else picture


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

    def apply(self, sums: Values, zero_point: int) -> Values:
        """The reference's scaling of accumulators [..., out] (without bias) to int8 values."""
        sums = sums + self.bias.astype(np.int64)
        multiplier, shift = self.multiplier.astype(np.int64), self.shift.astype(np.int64)
        result: Values
        if self.rounds_once:
            total = 31 - shift
            result = (sums * multiplier + (np.int64(1) << (total - 1))) >> total
        else:
            result = scaled(sums, multiplier, shift)
        return np.clip(result + zero_point, self.clamp_min, self.clamp_max)

    def narrowed(self, bias: Values, mask: Mask) -> Requantization:
        """That of the channels in a mask, with other biases."""
        return dataclasses.replace(
            self, bias=bias[mask].astype(np.int32), multiplier=self.multiplier[mask], shift=self.shift[mask]
        )


@dataclass(frozen=True, eq=False)
class Op:
    """An operator: ``index`` and ``kind`` as in the file, ``inputs`` and ``output`` are activation ids.

    Its subclasses, one in each module of :mod:`vww_deploy.graph.operators`, answer what reader, passes and planner
    ask; what is answered here is right for any operator.
    """

    index: int
    kind: str
    inputs: tuple[int, ...]
    output: int

    reads_interleaved: ClassVar[bool] = False
    """Whether its kernel takes a picture as the host sends it."""

    keeps_order: ClassVar[bool] = False
    """Whether its kernel works on values one by one, in any order in memory."""

    def macs(self, graph: Graph) -> int:
        """Multiply-accumulates of one inference, padding counted as TFLite counts it."""
        return 0

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return 0

    @property
    def parameter_bytes(self) -> int:
        """Bytes of weights and biases as the file stores them."""
        return 0

    def row_map(self, graph: Graph) -> RowMap | None:
        """Which rows of its first input an output row is made from; None where rows cannot be computed one by one."""
        return None

    def range_of(self, graph: Graph, given: Sequence[Range]) -> Range:
        """The values that the output can take when the inputs take those given."""
        return anything(graph.activations[self.output].shape)

    def ask_channels(self, channels: Channels) -> None:
        """Marks the channels that it needs of its inputs, and those that it cannot help making."""
        channels.keep_all(self)

    def narrowed(self, channels: Channels) -> Op:
        """The operator on the channels that are kept."""
        return self

    def as_convolution(self, graph: Graph) -> Op:
        """The same as CONV_2D, whose kernel is the fastest, where it is one in disguise."""
        return self

    def padded(self, padding: Padding) -> Op | None:
        """The operator on a picture without the padding around it, which it does itself; None where it cannot."""
        return None


@dataclass(frozen=True, eq=False)
class WeightedOp(Op):
    """An operator with weights, a bias and a scaling for each output channel."""

    weights: Int8Array
    requantization: Requantization

    @property
    def parameters(self) -> int:
        return int(self.weights.size) + int(self.requantization.bias.size)

    @property
    def parameter_bytes(self) -> int:
        return self.weights.nbytes + self.requantization.bias.nbytes


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
        """True for an input that lies pixel after pixel, as the host sends it, where planes would lie otherwise, and
        for what is made of it value by value before anybody needs planes.
        """
        return activation in self._interleaved

    @cached_property
    def _interleaved(self) -> frozenset[int]:
        given = self.input_activation
        if given.channels == 1 or given.height * given.width == 1:
            return frozenset()
        found = [self.input]
        readers = self._readers(self.input)
        while len(readers) == 1 and readers[0].keeps_order and readers[0].output != self.output:
            found.append(readers[0].output)
            readers = self._readers(found[-1])
        return frozenset(found if self.takes_interleaved else found[:1])

    @cached_property
    def takes_interleaved(self) -> bool:
        """Whether everybody who reads the input takes it as the host sends it."""
        readers, last = self._readers(self.input), self.input
        while len(readers) == 1 and readers[0].keeps_order:
            last = readers[0].output
            readers = self._readers(last)
        return last != self.output and bool(readers) and all(op.reads_interleaved for op in readers)

    def _readers(self, activation: int) -> list[Op]:
        return [op for op in self.ops if activation in op.inputs]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(op.macs(self) for op in self.ops)

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return sum(op.parameters for op in self.ops)

    def ranges(self) -> Mapping[int, Range]:
        """The range of every activation, by its id."""
        ranges = {self.input: anything(self.input_activation.shape)}
        for op in self.ops:
            ranges[op.output] = op.range_of(self, [ranges[i] for i in op.inputs])
        return ranges

    def replace(self, **changes: object) -> Graph:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]


@dataclass(eq=False)
class Channels:
    """Which channels of a graph's activations stay, while that is found out.

    ``keep`` by activation, bool [channels]; ``notes`` is an operator's own memory, by its output.
    """

    graph: Graph
    ranges: Mapping[int, Range]
    keep: dict[int, Mask]
    notes: dict[int, Any] = field(default_factory=dict)

    def keep_all(self, op: Op) -> None:
        """An operator that needs every channel of its inputs, and makes every one of its output."""
        for tensor in (*op.inputs, op.output):
            self.keep[tensor][:] = True

    def keep_alike(self, op: Op) -> None:
        """An operator whose output channel c is made from channel c of each input alone."""
        both = self.keep[op.output].copy()
        for tensor in op.inputs:
            both |= self.keep[tensor]
        for tensor in (*op.inputs, op.output):
            self.keep[tensor] |= both
