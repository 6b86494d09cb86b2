"""PACK of numbers of a shape."""

from __future__ import annotations

from typing import Final

import numpy as np

from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator


def read(reader: Reader, op: FileOperator) -> None:
    if reader.options(op).ValuesCount() != len(op.inputs):
        raise RefusedError(f"it packs {reader.options(op).ValuesCount()}, and has {len(op.inputs)} inputs")
    parts = [reader.whole_numbers(i) for i in op.inputs]
    reader.constants[op.outputs[0]] = np.stack(parts, axis=int(reader.options(op).Axis()))


READERS: Final = {"PACK": read}
