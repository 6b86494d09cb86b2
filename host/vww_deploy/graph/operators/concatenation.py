"""CONCATENATION over the rows, the columns or the channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from vww_deploy.graph.geometry import RowMap
from vww_deploy.graph.ir import Graph, Op
from vww_deploy.graph.ranges import Range
from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator


@dataclass(frozen=True, eq=False)
class Concatenation(Op):
    """The inputs one after the other along ``axis`` (0 height, 1 width, 2 channel)."""

    axis: int

    def row_map(self, graph: Graph) -> RowMap | None:
        return RowMap() if self.axis else None

    def range_of(self, graph: Graph, given: Sequence[Range]) -> Range:
        low, high = (
            np.concatenate(ends, axis=self.axis) for ends in zip(*((one.low, one.high) for one in given), strict=True)
        )
        return Range(low, high)


def read(reader: Reader, op: FileOperator) -> None:
    out = reader.tensors[op.outputs[0]]
    sources = [reader.picture(i) for i in op.inputs]
    axes = reader.default_axes(out.shape)
    number = int(reader.options(op).Axis())
    axis = axes[number] if -len(axes) <= number < len(axes) else None
    if axis is None:
        raise RefusedError(f"it joins along axis {number} of {list(out.shape)}")
    if reader.clamp(op, reader.quantization(out)) != (-128, 127):
        raise RefusedError("a fused activation, which LiteRT does not allow it")
    if any(source.quantization != reader.quantization(out) for source in sources):
        raise RefusedError("inputs and output have different scales or zero points, which LiteRT refuses, too")
    output = reader.new(out)
    wanted = list(sources[0].shape)
    wanted[axis] = sum(source.shape[axis] for source in sources)
    others = {tuple(size for d, size in enumerate(source.shape) if d != axis) for source in sources}
    if len(others) > 1 or reader.activations[output].shape != tuple(wanted):
        raise RefusedError(f"output {list(out.shape)} does not follow from {[list(one.shape) for one in sources]}")
    reader.ops.append(Concatenation(op.index, op.kind, tuple(source.id for source in sources), output, axis))


READERS: Final = {"CONCATENATION": read}
