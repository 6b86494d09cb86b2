"""RESHAPE, SQUEEZE and EXPAND_DIMS: mostly a view, else another order of values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from vww_deploy.graph.ir import Op
from vww_deploy.graph.reading import Reader, RefusedError, Value
from vww_deploy.graph.tflite_file import FileOperator


@dataclass(frozen=True, eq=False)
class Reshape(Op):
    """Another shape over the same values in height, width, channel order."""


def read(reader: Reader, op: FileOperator) -> None:
    source, out = reader.tensors[op.inputs[0]], reader.tensors[op.outputs[0]]
    if source.index in reader.constants:
        reader.constants[out.index] = reader.constants[source.index].reshape(out.shape)
        return
    value = reader.value(source.index)
    shape = out.shape
    if np.prod(source.shape, dtype=np.int64) != np.prod(shape, dtype=np.int64):
        raise RefusedError(f"shape {list(source.shape)} to {list(shape)} changes the number of values")
    reader.needs_scale(out, reader.activations[value.id].quantization)
    if value.flat:
        reader.ops.append(Reshape(op.index, op.kind, (value.id,), reader.new(out)))
        return
    kept = [(size, axis) for size, axis in zip(source.shape, value.axes, strict=True) if size > 1]
    natural = reader.default_axes(source.shape)
    transposed = any(
        size > 1 and axis != want for size, axis, want in zip(source.shape, value.axes, natural, strict=True)
    )
    if [size for size, _ in kept] == [size for size in shape if size > 1]:
        remaining = iter(kept)
        axes = tuple(next(remaining)[1] if size > 1 else None for size in shape)
        wanted = reader.default_axes(shape)
        if transposed or all(a == w for size, a, w in zip(shape, axes, wanted, strict=True) if size > 1):
            reader.values[out.index] = Value(value.id, axes)
            return
    value = Value(reader.picture(source.index).id, natural)
    if len([size for size in shape if size > 1]) <= 1:
        reader.values[out.index] = Value(value.id, reader.default_axes(shape), flat=True)
        return
    reader.ops.append(Reshape(op.index, op.kind, (value.id,), reader.new(out)))


READERS: Final = {"EXPAND_DIMS": read, "RESHAPE": read, "SQUEEZE": read}
