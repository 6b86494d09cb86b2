"""STRIDED_SLICE of a shape, or of a picture."""

from __future__ import annotations

from typing import Final

import numpy as np

from vww_deploy.graph.operators.gather import add_gather
from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator


def read(reader: Reader, op: FileOperator) -> None:
    begin, end, step = (reader.whole_numbers(i).reshape(-1) for i in op.inputs[1:4])
    shape = reader.tensors[op.inputs[0]].shape
    options = reader.options(op)
    if options.EllipsisMask() or options.NewAxisMask() or options.Offset():
        raise RefusedError("ellipsis or new axis masks, or an end that counts from the beginning")
    if not begin.size == end.size == step.size <= len(shape) or not step.all():
        raise RefusedError(f"begin {begin.tolist()}, end {end.tolist()}, strides {step.tolist()} of {list(shape)}")
    index: list[int | slice] = []
    for d in range(begin.size):
        if options.ShrinkAxisMask() >> d & 1:
            index.append(int(begin[d]))
            continue
        low = None if options.BeginMask() >> d & 1 else int(begin[d])
        high = None if options.EndMask() >> d & 1 else int(end[d])
        index.append(slice(low, high, int(step[d])))
    if op.inputs[0] in reader.constants:
        reader.constants[op.outputs[0]] = np.asarray(reader.constants[op.inputs[0]][tuple(index)])
        return
    if options.ShrinkAxisMask():
        raise RefusedError("a picture or a part of one without its dimension")
    picks = [range(size)[one] for size, one in zip(shape, index, strict=False) if isinstance(one, slice)]
    add_gather(reader, op, [*picks, *(range(size) for size in shape[len(picks) :])])


READERS: Final = {"STRIDED_SLICE": read}
