"""REDUCE_MAX over height and width: a MAX_POOL_2D whose window is the whole picture."""

from __future__ import annotations

from typing import Final

from vww_deploy.graph.ir import Window
from vww_deploy.graph.operators.max_pool import MaxPool
from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator


def read(reader: Reader, op: FileOperator) -> None:
    source, out = reader.picture(op.inputs[0]), reader.tensors[op.outputs[0]]
    shape = reader.tensors[op.inputs[0]].shape
    axes = reader.default_axes(shape)
    reduced = {axes[int(d) % len(shape)] for d in reader.whole_numbers(op.inputs[1]).reshape(-1)} - {None}
    if reduced != {0, 1}:
        raise RefusedError("a maximum over other axes than height and width")
    reader.needs_scale(out, source.quantization)
    output = reader.new(out)
    if reader.activations[output].shape != (1, 1, source.channels):
        raise RefusedError(f"output {list(out.shape)} does not follow from input {list(shape)}")
    window = Window((source.height, source.width), (1, 1))
    reader.ops.append(MaxPool(op.index, op.kind, (source.id,), output, window))


READERS: Final = {"REDUCE_MAX": read}
