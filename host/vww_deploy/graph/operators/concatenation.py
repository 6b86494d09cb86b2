"""CONCATENATION over the channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from vww_deploy.graph.ir import Graph, Op, RowMap
from vww_deploy.graph.ranges import Range
from vww_deploy.graph.reading import CHANNEL, Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator


@dataclass(frozen=True, eq=False)
class Concatenation(Op):
    """The inputs' channels one after the other."""

    def row_map(self, graph: Graph) -> RowMap:
        return RowMap()

    def range_of(self, graph: Graph, given: Sequence[Range]) -> Range:
        low, high = (np.concatenate(ends, axis=2) for ends in zip(*((one.low, one.high) for one in given), strict=True))
        return Range(low, high)


def read(reader: Reader, op: FileOperator) -> None:
    out = reader.tensors[op.outputs[0]]
    sources = [reader.picture(i) for i in op.inputs]
    axes = reader.default_axes(out.shape)
    axis = int(reader.options(op).Axis())
    if not -len(axes) <= axis < len(axes) or axes[axis] != CHANNEL:
        raise RefusedError(f"it joins along axis {axis}; only the channels are supported")
    if reader.clamp(op, reader.quantization(out)) != (-128, 127):
        raise RefusedError("a fused activation, which LiteRT does not allow it")
    if any(source.quantization != reader.quantization(out) for source in sources):
        raise RefusedError("inputs and output have different scales or zero points, which LiteRT refuses, too")
    output = reader.new(out)
    height, width, channels = reader.activations[output].shape
    fits = all(source.shape[:2] == (height, width) for source in sources)
    if not fits or sum(source.channels for source in sources) != channels:
        raise RefusedError(f"output {list(out.shape)} does not follow from {[list(one.shape) for one in sources]}")
    reader.ops.append(Concatenation(op.index, op.kind, tuple(source.id for source in sources), output))


READERS: Final = {"CONCATENATION": read}
