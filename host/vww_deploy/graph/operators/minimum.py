"""MINIMUM and MAXIMUM with a constant, as clipping is written: tables."""

from __future__ import annotations

from typing import Final

import numpy as np

from vww_deploy.graph.operators.lookup import VALUES, tabulate
from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator


def read(reader: Reader, op: FileOperator) -> None:
    known = [i for i in op.inputs if i in reader.constants]
    given = [i for i in op.inputs if i not in reader.constants]
    if len(known) != 1 or len(given) != 1 or reader.constants[known[0]].size != 1:
        raise RefusedError("two tensors, or a constant of several values; a single constant is needed")
    # LiteRT compares the stored values, whatever their scales are.
    bound = int(reader.constants[known[0]].reshape(-1)[0]) - (128 if reader.tensors[known[0]].dtype == "UINT8" else 0)
    choose = np.minimum if op.kind == "MINIMUM" else np.maximum
    tabulate(reader, FileOperator(op.index, op.kind, (given[0],), op.outputs, op.options), choose(VALUES, bound))


READERS: Final = {"MAXIMUM": read, "MINIMUM": read}
