"""SOFTMAX."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from vww_deploy.graph.geometry import RowMap
from vww_deploy.graph.ir import Graph, Op, Quantization
from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator


@dataclass(frozen=True, eq=False)
class Softmax(Op):
    """Softmax over the channels, ``beta`` as in the file."""

    beta: float

    def row_map(self, graph: Graph) -> RowMap | None:
        source = graph.activations[self.inputs[0]]
        return RowMap() if source.height * source.width > 1 else None


def read(reader: Reader, op: FileOperator) -> None:
    source = reader.picture(op.inputs[0])
    out = reader.tensors[op.outputs[0]]
    if reader.tensors[op.inputs[0]].shape != out.shape:
        raise RefusedError(f"output {list(out.shape)} does not follow from input {list(source.shape)}")
    reader.needs_output(op, Quantization(1 / 256, -128))
    beta = float(reader.options(op).Beta())
    if not 0 < beta < math.inf:
        raise RefusedError(f"beta {beta:g}; a number above 0 is needed")
    if beta * source.quantization.scale <= 2.0**-26:  # its fixed point has 26 bits behind the point
        raise RefusedError(f"beta {beta:g} and scale {source.quantization.scale:g}, so small that LiteRT aborts")
    reader.ops.append(Softmax(op.index, op.kind, (source.id,), reader.new(out), beta))


READERS: Final = {"SOFTMAX": read}
