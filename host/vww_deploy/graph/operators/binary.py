"""MUL, SUB, PRELU, and ADD with a constant or with broadcasting."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from vww_deploy.graph.geometry import RowMap
from vww_deploy.graph.ir import Channels, Graph, Int8Array, Op, Quantization
from vww_deploy.graph.multipliers import quantize_multiplier
from vww_deploy.graph.operators.lookup import VALUES, ChannelLookup, tabulate
from vww_deploy.graph.ranges import Range, Values, scaled
from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator

Function = Literal["add", "sub", "reverse", "mul", "prelu"]
"""``reverse`` is the second less the first; ``prelu`` multiplies what is negative of the first by the second."""


_SMALLEST_TABULATED: Final = 256
"""Pixels for which a channel's own table is worth its flash: it is no larger than what it makes."""


@dataclass(frozen=True)
class Arithmetic:
    """The numbers of a sum, difference or product: zero points and (multiplier, shift) of inputs and output.

    A product has no use for the inputs' factors; PRELU's are that of what is not negative, none, and that of products.
    """

    function: Function
    zero_points: tuple[int, int, int]
    factors: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    clamp: tuple[int, int]

    def apply(self, left: Values, right: Values) -> Values:
        """LiteRT's result for int8 values."""
        left, right = left - self.zero_points[0], right - self.zero_points[1]
        if self.function in ("mul", "prelu"):
            result = scaled(left * right, *self.factors[2])
            if self.function == "prelu":
                result = np.where(left >= 0, scaled(left, *self.factors[0]), result)
        else:
            one, other = scaled(left << 20, *self.factors[0]), scaled(right << 20, *self.factors[1])
            total = {"add": one + other, "sub": one - other, "reverse": other - one}[self.function]
            result = scaled(total, *self.factors[2])
        return np.clip(result + self.zero_points[2], *self.clamp)


@dataclass(frozen=True, eq=False)
class Binary(Op):
    """Two tensors element by element; sides of one are repeated.

    ``constant`` int8 [height or 1, width or 1, channels or 1] stands for a second input that is known.
    """

    arithmetic: Arithmetic
    constant: Int8Array | None = None

    def row_map(self, graph: Graph) -> RowMap | None:
        out = graph.activations[self.output]
        heights = {graph.activations[i].height for i in self.inputs}
        return RowMap() if heights == {out.height} else None

    def range_of(self, graph: Graph, given: Sequence[Range]) -> Range:
        second = given[1] if self.constant is None else Range(*(self.constant.astype(np.int64),) * 2)
        low, high = given[0].low, given[0].high
        bend = np.clip(self.arithmetic.zero_points[0], low, high)  # where PRELU changes its slope
        ends = [self.arithmetic.apply(a, b) for a in (low, high, bend) for b in (second.low, second.high)]
        return Range(np.minimum.reduce(ends), np.maximum.reduce(ends))

    def ask_channels(self, channels: Channels) -> None:
        channels.keep_all(self)


def tabulate_channels(graph: Graph) -> Graph:
    """Arithmetic with a constant of each channel becomes a table of 256 for each, where pictures are large enough.

    A table takes a tenth of the time of a sum or a product, and 256 bytes of flash.
    """
    return graph.replace(ops=tuple(_tabulated(graph, op) if isinstance(op, Binary) else op for op in graph.ops))


def _tabulated(graph: Graph, op: Binary) -> Op:
    out = graph.activations[op.output]
    if op.constant is None or op.constant.shape != (1, 1, out.channels) or out.height * out.width < _SMALLEST_TABULATED:
        return op
    tables = op.arithmetic.apply(VALUES[np.newaxis], op.constant.reshape(-1, 1).astype(np.int64)).astype(np.int8)
    return ChannelLookup(op.index, op.kind, op.inputs, op.output, tables)


def read(reader: Reader, op: FileOperator) -> None:
    """Any of them."""
    function: Function = op.kind.lower()  # type: ignore[assignment]
    known = [i in reader.constants for i in op.inputs]
    if all(known) or len(op.inputs) != 2:
        raise RefusedError("its inputs are constants")
    if function == "prelu" and not known[1]:
        raise RefusedError("slopes that are computed")
    if known[0]:  # ours come second
        function = "reverse" if function == "sub" else function
        op = dataclasses.replace(op, inputs=(op.inputs[1], op.inputs[0]))
    quantizations = [reader.quantization(reader.tensors[i]) for i in (*op.inputs, op.outputs[0])]
    arithmetic = _arithmetic(reader, op, function, quantizations)
    if any(known):
        constant = _constant(reader, op.inputs[1])
        if constant.size == 1:
            tabulate(reader, op, arithmetic.apply(VALUES, constant.reshape(()).astype(np.int64)))
            return
    source = reader.picture(op.inputs[0])
    shapes = [source.shape, constant.shape if any(known) else reader.picture(op.inputs[1]).shape]
    wanted = np.broadcast_shapes(*shapes)
    if any(known):
        if wanted != source.shape:
            raise RefusedError(f"a constant of shape {list(shapes[1])} is larger than the input {list(source.shape)}")
        inputs: tuple[int, ...] = (source.id,)
    else:
        second = reader.picture(op.inputs[1])
        inputs = source.id, second.id
        if wanted != source.shape:
            if wanted != second.shape:
                raise RefusedError(f"inputs of shapes {list(source.shape)} and {list(second.shape)}")
            inputs = second.id, source.id
            arithmetic = _swapped(arithmetic)
    output = reader.new(reader.tensors[op.outputs[0]])
    if reader.activations[output].shape != wanted:
        raise RefusedError("its output's shape does not follow from its inputs'")
    given = constant if any(known) else None
    reader.ops.append(Binary(op.index, op.kind, inputs, output, arithmetic, given))


def _swapped(arithmetic: Arithmetic) -> Arithmetic:
    first, second, out = arithmetic.zero_points
    one, other, last = arithmetic.factors
    function: Function = "reverse" if arithmetic.function == "sub" else arithmetic.function
    return Arithmetic(function, (second, first, out), (other, one, last), arithmetic.clamp)


def _constant(reader: Reader, index: int) -> Int8Array:
    """A constant as [height or 1, width or 1, channels or 1]."""
    tensor = reader.tensors[index]
    data = np.asarray(reader.constants[index])
    if tensor.dtype == "UINT8":
        data = (data.astype(np.int16) - 128).astype(np.int8)
    shape = list(data.shape)
    while len(shape) > 3 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) > 3:
        raise RefusedError(f"a constant of shape {list(data.shape)}")
    return data.astype(np.int8).reshape([1] * (3 - len(shape)) + shape)


def _arithmetic(reader: Reader, op: FileOperator, function: Function, three: list[Quantization]) -> Arithmetic:
    first, second, out = three
    low, high = (-128, 127) if function == "prelu" else reader.clamp(op, out)
    zero_points = first.zero_point, second.zero_point, out.zero_point
    if function in ("mul", "prelu"):
        product = np.float32(first.scale) * np.float32(second.scale) / np.float32(out.scale)
        last = reader.multiplier(float(product), 255 * 255)
        same = (0, 0)
        if function == "prelu":
            same = reader.multiplier(float(np.float32(first.scale) / np.float32(out.scale)), 255)
        return Arithmetic(function, zero_points, (same, (0, 0), last), (low, high))
    # TFLite brings both inputs to twice the larger scale with 20 bits to spare.
    twice = 2.0 * max(first.scale, second.scale)
    last = quantize_multiplier(twice / ((1 << 20) * out.scale))
    if last[1] > 0:
        raise RefusedError("its output scale is so small that TFLite refuses it, too")
    factors = quantize_multiplier(first.scale / twice), quantize_multiplier(second.scale / twice), last
    return Arithmetic(function, zero_points, factors, (low, high))


READERS: Final = {"MUL": read, "PRELU": read, "SUB": read}
