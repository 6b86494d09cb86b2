"""PACK of numbers of a shape."""

from __future__ import annotations

from typing import Final

import numpy as np

from vww_deploy.graph.reading import Reader
from vww_deploy.graph.tflite_file import FileOperator


def read(reader: Reader, op: FileOperator) -> None:
    parts = [reader.whole_numbers(i) for i in op.inputs]
    reader.constants[op.outputs[0]] = np.stack(parts, axis=int(reader.options(op).Axis()))


READERS: Final = {"PACK": read}
