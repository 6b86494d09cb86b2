"""RELU, RELU6 and RELU_N1_TO_1 where they are operators of their own: tables."""

from __future__ import annotations

from typing import Final

import numpy as np

from vww_deploy.graph.multipliers import activation_clamp
from vww_deploy.graph.operators.lookup import VALUES, tabulate
from vww_deploy.graph.ranges import scaled
from vww_deploy.graph.reading import Reader
from vww_deploy.graph.tflite_file import FileOperator


def read(reader: Reader, op: FileOperator) -> None:
    source = reader.activations[reader.value(op.inputs[0]).id].quantization
    out = reader.quantization(reader.tensors[op.outputs[0]])
    multiplier, shift = reader.multiplier(float(np.float32(source.scale) / np.float32(out.scale)), 255)
    low, high = activation_clamp(op.kind, out.scale, out.zero_point)
    values = out.zero_point + scaled(VALUES - source.zero_point, multiplier, shift)
    tabulate(reader, op, np.clip(values, low, high))


READERS: Final = {"RELU": read, "RELU6": read, "RELU_N1_TO_1": read}
