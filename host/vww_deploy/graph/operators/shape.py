"""SHAPE: known when the model is read."""

from __future__ import annotations

from typing import Final

import numpy as np

from vww_deploy.graph.reading import Reader
from vww_deploy.graph.tflite_file import FileOperator


def read(reader: Reader, op: FileOperator) -> None:
    reader.constants[op.outputs[0]] = np.array(reader.tensors[op.inputs[0]].shape, np.int32)


READERS: Final = {"SHAPE": read}
