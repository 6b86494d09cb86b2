"""TANH: a table."""

from __future__ import annotations

from typing import Final

import numpy as np

from vww_deploy.graph.ir import Quantization
from vww_deploy.graph.operators.lookup import real_values, tabulate_real
from vww_deploy.graph.reading import Reader
from vww_deploy.graph.tflite_file import FileOperator


def read(reader: Reader, op: FileOperator) -> None:
    reader.needs_output(op, Quantization(1 / 128, 0))
    tabulate_real(reader, op, np.tanh(real_values(reader, op).astype(np.float64)).astype(np.float32))


READERS: Final = {"TANH": read}
