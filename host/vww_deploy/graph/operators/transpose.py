"""TRANSPOSE: a view, until an operator needs the values in their own order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vww_deploy.graph.ir import Graph, Op
from vww_deploy.graph.ranges import Range
from vww_deploy.graph.reading import Reader, RefusedError, Value
from vww_deploy.graph.tflite_file import FileOperator


@dataclass(frozen=True, eq=False)
class Transpose(Op):
    """Axis i (0 height, 1 width, 2 channel) of the output is axis ``order[i]`` of the input."""

    order: tuple[int, int, int]

    def range_of(self, graph: Graph, given: Sequence[Range]) -> Range:
        return Range(given[0].low.transpose(self.order), given[0].high.transpose(self.order))


def read(reader: Reader, op: FileOperator) -> None:
    source, out = reader.tensors[op.inputs[0]], reader.tensors[op.outputs[0]]
    order = reader.whole_numbers(op.inputs[1]).reshape(-1).tolist()
    if sorted(order) != list(range(len(source.shape))):
        raise RefusedError(f"permutation {order} does not fit input {list(source.shape)}")
    value = reader.value(source.index)
    if value.flat:
        value = Value(reader.unflatten(source.index, value).id, reader.default_axes(source.shape))
    reader.needs_scale(out, reader.activations[value.id].quantization)
    reader.values[out.index] = Value(value.id, tuple(value.axes[d] for d in order))


READERS: Final = {"TRANSPOSE": read}
