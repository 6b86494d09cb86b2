"""STRIDED_SLICE of a shape."""

from __future__ import annotations

from typing import Final

import numpy as np

from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator


def read(reader: Reader, op: FileOperator) -> None:
    data, begin, end, step = (reader.whole_numbers(i) for i in op.inputs[:4])
    options = reader.options(op)
    if options.EllipsisMask() or options.NewAxisMask() or options.Offset():
        raise RefusedError("ellipsis or new axis masks, or an end that counts from the beginning")
    index: list[int | slice] = []
    for d in range(begin.size):
        if options.ShrinkAxisMask() >> d & 1:
            index.append(int(begin[d]))
            continue
        low = None if options.BeginMask() >> d & 1 else int(begin[d])
        high = None if options.EndMask() >> d & 1 else int(end[d])
        index.append(slice(low, high, int(step[d])))
    reader.constants[op.outputs[0]] = np.asarray(data[tuple(index)])


READERS: Final = {"STRIDED_SLICE": read}
