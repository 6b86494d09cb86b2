"""TRANSPOSE: a view."""

from __future__ import annotations

from typing import Final

from vww_deploy.graph.reading import Reader, RefusedError, Value
from vww_deploy.graph.tflite_file import FileOperator


def read(reader: Reader, op: FileOperator) -> None:
    source, out = reader.tensors[op.inputs[0]], reader.tensors[op.outputs[0]]
    order = reader.whole_numbers(op.inputs[1]).reshape(-1).tolist()
    if sorted(order) != list(range(len(source.shape))):
        raise RefusedError(f"permutation {order} does not fit input {list(source.shape)}")
    value = reader.value(source.index)
    if value.flat:
        value = Value(reader.unflatten(source.index, value).id, reader.default_axes(source.shape))
    if reader.quantization(out) != reader.activations[value.id].quantization:
        raise RefusedError("input and output have different scales or zero points")
    reader.values[out.index] = Value(value.id, tuple(value.axes[d] for d in order))


READERS: Final = {"TRANSPOSE": read}
