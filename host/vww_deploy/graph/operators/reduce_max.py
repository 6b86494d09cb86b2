"""REDUCE_MAX: a MAX_POOL_2D whose window is what it reduces."""

from __future__ import annotations

from typing import Final

from vww_deploy.graph.geometry import Window
from vww_deploy.graph.operators.max_pool import MaxPool
from vww_deploy.graph.operators.mean import reduced_picture
from vww_deploy.graph.reading import Reader
from vww_deploy.graph.tflite_file import FileOperator


def read(reader: Reader, op: FileOperator) -> None:
    source, axes, out_axes = reduced_picture(reader, op)
    out = reader.tensors[op.outputs[0]]
    reader.needs_scale(out, source.quantization)
    window = Window((source.height if 0 in axes else 1, source.width if 1 in axes else 1), (1, 1))
    reader.ops.append(MaxPool(op.index, op.kind, (source.id,), reader.new(out, out_axes), window))


READERS: Final = {"REDUCE_MAX": read}
