"""The int8 model that a refused one would be: its layers and their cost, before anybody has changed it.

Float activations become int8 of one made-up scale, and an operator that cannot be compiled is left out: what follows
it takes its input. What such a graph computes means nothing.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from vww_deploy.errors import ModelError
from vww_deploy.graph.forms import check_accelerator
from vww_deploy.graph.ir import Graph, Quantization
from vww_deploy.graph.operators.gather import Gather
from vww_deploy.graph.operators.reshape import Reshape
from vww_deploy.graph.operators.transpose import Transpose
from vww_deploy.graph.reader import MALFORMED, check_limits, finished, read_operator
from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.refused import Refusal
from vww_deploy.graph.tflite_file import FileOperator, FileTensor, TfliteFile, load

_WEIGHTED: Final = {"CONV_2D": 0, "FULLY_CONNECTED": 0, "DEPTHWISE_CONV_2D": 3}
"""The axis of the weights that is the output's channels."""
_ACTIVATIONS: Final = ("FLOAT32", "FLOAT16", "INT16")
_MADE_UP: Final = Quantization(1 / 256, -128)
"""What SOFTMAX and LOGISTIC need; other operators take any."""


@dataclasses.dataclass(frozen=True)
class StandIn:
    """``graph`` without the operators ``left_out``; ``was_float`` tells whether the file's activations are float."""

    graph: Graph
    left_out: tuple[Refusal, ...]
    was_float: bool


def stand_in(source: str | Path | bytes) -> StandIn:
    """What a refused file would be as an int8 model.

    Raises:
        ModelError: it is no model file, or not enough of it can be understood.
    """
    given = load(source)
    check_accelerator(given)
    check_limits(given)
    if not given.inputs or not given.outputs:
        raise ModelError(f"{given.name}: it has no input or no output")
    try:
        file = _as_int8(given)
        reader = Reader(file, Transpose, Reshape)
        reader.start()
        for operator in file.operators:
            before = len(reader.refusals)
            read_operator(reader, operator)
            if len(reader.refusals) > before:
                _leave_out(reader, operator)
    except RefusedError as refusal:
        raise ModelError(f"{given.name}: {refusal}") from refusal
    except MALFORMED as error:
        raise ModelError(f"{given.name}: malformed ({error})") from error
    left_out = tuple(reader.refusals)
    was_float = any(
        old.dtype != new.dtype and old.data is None for old, new in zip(given.tensors, file.tensors, strict=True)
    )
    return StandIn(finished(reader), left_out, was_float)


def _leave_out(reader: Reader, operator: FileOperator) -> None:
    """Lets an operator's outputs hold its first input, as much of it as they have room for."""
    given = next((i for i in operator.inputs if i in reader.values), None)
    for output in operator.outputs:
        if output < 0 or output in reader.values or output in reader.constants:
            continue
        tensor = reader.tensors[output]
        if given is None:
            reader.constants[output] = np.zeros(tensor.shape, np.int8)
        elif tensor.shape == reader.tensors[given].shape:
            reader.values[output] = reader.values[given]
        else:
            source = reader.picture(given)
            identity = reader.new(tensor, quantization=source.quantization)
            wanted = reader.activations[identity].shape
            rows, columns, channels = (
                tuple(i % size for i in range(count)) for size, count in zip(source.shape, wanted, strict=True)
            )
            reader.ops.append(Gather(operator.index, operator.kind, (source.id,), identity, rows, columns, channels))


def _as_int8(file: TfliteFile) -> TfliteFile:
    """The file as if it were full int8."""
    tensors = list(file.tensors)
    operators = []
    for operator in file.operators:
        widened = operator.inputs and tensors[operator.inputs[0]].data is not None
        if operator.kind == "DEQUANTIZE" and widened:  # weights that are stored in another type
            source, out = tensors[operator.inputs[0]], tensors[operator.outputs[0]]
            tensors[out.index] = dataclasses.replace(source, index=out.index, name=out.name)
        else:
            operators.append(operator)
    for operator in operators:
        if operator.kind in _WEIGHTED:
            _quantise_weights(tensors, operator)
    for tensor in tensors:
        if tensor.dtype in _ACTIVATIONS and (tensor.data is None or tensor.dtype != "INT16"):
            data = None if tensor.data is None else _narrowed(np.asarray(tensor.data, np.float32), None)
            scales, zero_points = np.array([_MADE_UP.scale], np.float32), np.array([_MADE_UP.zero_point])
            tensors[tensor.index] = dataclasses.replace(
                tensor, dtype="INT8", data=data, scales=scales, zero_points=zero_points
            )
    return dataclasses.replace(file, tensors=tuple(tensors), operators=tuple(operators))


def _quantise_weights(tensors: list[FileTensor], operator: FileOperator) -> None:
    """Float weights as int8, their biases as int32."""
    axis = _WEIGHTED[operator.kind]
    weights = tensors[operator.inputs[1]]
    if weights.data is not None and weights.dtype in ("FLOAT32", "FLOAT16"):
        channels = weights.shape[axis]
        tensors[weights.index] = dataclasses.replace(
            weights,
            dtype="INT8",
            data=_narrowed(np.asarray(weights.data, np.float32), axis),
            scales=np.full(channels, 1 / 128, np.float32),
            zero_points=np.zeros(channels, np.int64),
            axis=axis,
        )
    bias = tensors[operator.inputs[2]] if len(operator.inputs) > 2 and operator.inputs[2] >= 0 else None
    if bias is not None and bias.data is not None and bias.dtype != "INT32":
        tensors[bias.index] = dataclasses.replace(bias, dtype="INT32", data=np.zeros(bias.shape, np.int32))


def _narrowed(values: npt.NDArray[np.float32], axis: int | None) -> npt.NDArray[np.int8]:
    """Values as int8 by the largest of each channel, or of all."""
    others = None if axis is None else tuple(d for d in range(values.ndim) if d != axis)
    most = np.abs(values).max(axis=others, keepdims=True, initial=1e-9)
    rounded: npt.NDArray[np.int8] = np.rint(np.nan_to_num(values / most * 127)).astype(np.int8)
    return rounded
