"""SLICE, SPLIT and SPLIT_V."""

from __future__ import annotations

from typing import Final

import numpy as np

from vww_deploy.graph.operators.gather import add_gather
from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator


def read_slice(reader: Reader, op: FileOperator) -> None:
    begin, size = (reader.whole_numbers(i).reshape(-1).tolist() for i in op.inputs[1:3])
    shape = reader.tensors[op.inputs[0]].shape
    if len(begin) != len(shape) or len(size) != len(shape):
        raise RefusedError(f"begin {begin} and size {size} do not fit input {list(shape)}")
    ends = [b + s if s >= 0 else full for b, s, full in zip(begin, size, shape, strict=True)]
    if op.inputs[0] in reader.constants:
        index = tuple(slice(b, e) for b, e in zip(begin, ends, strict=True))
        reader.constants[op.outputs[0]] = np.asarray(reader.constants[op.inputs[0]])[index]
        return
    add_gather(reader, op, [range(b, e) for b, e in zip(begin, ends, strict=True)])


def read_split(reader: Reader, op: FileOperator) -> None:
    by_sizes = op.kind == "SPLIT_V"
    if reader.options(op).NumSplits() != len(op.outputs):
        raise RefusedError(f"it splits into {reader.options(op).NumSplits()}, and has {len(op.outputs)} outputs")
    source, axis_input = (op.inputs[0], op.inputs[2]) if by_sizes else (op.inputs[1], op.inputs[0])
    shape = reader.tensors[source].shape
    axis = int(reader.whole_numbers(axis_input).reshape(-1)[0])
    if not -len(shape) <= axis < len(shape):
        raise RefusedError(f"axis {axis} of input {list(shape)}")
    axis %= len(shape)
    # The outputs say how large the parts are; the reader of each checks that they add up.
    sizes = [reader.tensors[i].shape[axis] for i in op.outputs]
    if sum(sizes) != shape[axis] or (not by_sizes and len(set(sizes)) > 1):
        raise RefusedError(f"parts of {sizes} do not make up {shape[axis]}")
    if by_sizes:
        given = reader.whole_numbers(op.inputs[1]).reshape(-1).tolist()
        if len(given) != len(sizes) or any(t not in (-1, s) for t, s in zip(given, sizes, strict=True)):
            raise RefusedError(f"parts of {given}, but outputs of {sizes}")
    begin = 0
    for output, size in zip(op.outputs, sizes, strict=True):
        picks = [range(full) for full in shape]
        picks[axis] = range(begin, begin + size)
        add_gather(reader, FileOperator(op.index, op.kind, (source,), (output,), op.options), picks)
        begin += size


READERS: Final = {"SLICE": read_slice, "SPLIT": read_split, "SPLIT_V": read_split}
