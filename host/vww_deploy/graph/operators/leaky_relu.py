"""LEAKY_RELU: a table."""

from __future__ import annotations

from typing import Final

import numpy as np

from vww_deploy.graph.operators.lookup import VALUES, tabulate
from vww_deploy.graph.ranges import scaled
from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator


def read(reader: Reader, op: FileOperator) -> None:
    alpha = np.float32(reader.options(op).Alpha())
    if not 0 <= alpha < np.inf:
        raise RefusedError(f"a slope of {alpha}; it must be a number that is not negative")
    source = reader.activations[reader.value(op.inputs[0]).id].quantization
    out = reader.quantization(reader.tensors[op.outputs[0]])
    factor, divisor = np.float32(source.scale), np.float32(out.scale)
    offsets = VALUES - source.zero_point
    positive = scaled(offsets, *reader.multiplier(float(factor / divisor), 255))
    negative = scaled(offsets, *reader.multiplier(float(factor * alpha / divisor), 255))
    tabulate(reader, op, out.zero_point + np.where(offsets >= 0, positive, negative))


READERS: Final = {"LEAKY_RELU": read}
