"""DEQUANTIZE at the output."""

from __future__ import annotations

from typing import Final

from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator


def read(reader: Reader, op: FileOperator) -> None:
    if op.outputs[0] not in reader.file.outputs:
        raise RefusedError("DEQUANTIZE inside the model; only the output may be float")
    reader.values[op.outputs[0]] = reader.value(op.inputs[0])


READERS: Final = {"DEQUANTIZE": read}
