"""SOFTMAX."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vww_deploy.graph.ir import (
    Op,
    Quantization,
)
from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator


@dataclass(frozen=True, eq=False)
class Softmax(Op):
    """Softmax over the channels, ``beta`` as in the file."""

    beta: float


def read(reader: Reader, op: FileOperator) -> None:
    source = reader.picture(op.inputs[0])
    out = reader.tensors[op.outputs[0]]
    if source.height * source.width != 1:
        raise RefusedError(f"input {list(source.shape)}; only a vector is supported")
    quantization = reader.quantization(out)
    if quantization != Quantization(1 / 256, -128):
        raise RefusedError(
            f"output scale {quantization.scale} and zero point {quantization.zero_point}; 1/256 and -128 are needed"
        )
    beta = float(reader.options(op).Beta())
    reader.ops.append(Softmax(op.index, op.kind, (source.id,), reader.new(out), beta))


READERS: Final = {"SOFTMAX": read}
