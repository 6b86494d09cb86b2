"""Float ``.tflite`` files of every form as plain float32 ones, which the quantiser takes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from vww_deploy.errors import ModelError
from vww_deploy.graph.model_file import tflite_bytes
from vww_deploy.graph.reference import try_out
from vww_deploy.graph.tflite_file import load
from vww_deploy.training.mobilenet import require_tensorflow

_STORED: Final = {"FLOAT16": np.float16, "INT8": np.int8, "UINT8": np.uint8}
_WEIGHTED: Final = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


_MOST_VALUES: Final = 1 << 28
"""Of all tensors of a model that is run on this computer: 1 GB of float32."""


def checked_tflite(path: Path) -> bytes:
    """The bytes of a ``.tflite`` that may be given to an interpreter in this process: damage does not reach it.

    Raises ModelError for what is none, needs more memory than any picture network, or ends LiteRT.
    """
    content = tflite_bytes(path)
    file = load(content, name=str(path))
    values = sum(math.prod(tensor.shape) for tensor in file.tensors)
    if values > _MOST_VALUES:
        raise ModelError(
            f"{path}: {values:,} values in all tensors; at most {_MOST_VALUES:,} are run",
            hint="take a model of smaller pictures",
        )
    try_out(file.content, str(path))
    return file.content


def as_float32(content: bytes) -> bytes:
    """A ``.tflite`` whose weights are float16 or, for dynamic range, int8, with these as float32.

    What computes in float32 already, and what does not compute in float at all, is handed back as it is.
    """
    require_tensorflow()
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    file = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    graph = file.subgraphs[0]
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    types = {value: name for name, value in vars(schema.TensorType).items() if isinstance(value, int)}

    def kind(operator: Any) -> str:
        code = file.operatorCodes[operator.opcodeIndex]
        return str(names.get(max(code.builtinCode, code.deprecatedBuiltinCode), ""))

    def stored(index: int) -> npt.NDArray[np.float32] | None:
        """The real values of a constant that is not float32."""
        tensor = graph.tensors[index]
        data, dtype = file.buffers[tensor.buffer].data, _STORED.get(types[tensor.type])
        if data is None or dtype is None or not len(data):
            return None
        values = np.frombuffer(bytes(data), dtype).reshape(tensor.shape).astype(np.float32)
        if dtype is np.float16:
            return values
        scales = np.array(tensor.quantization.scale, np.float32)
        zeros = np.array(tensor.quantization.zeroPoint, np.float32)
        shape = [1] * values.ndim
        if scales.size > 1:
            shape[tensor.quantization.quantizedDimension] = scales.size
        real: npt.NDArray[np.float32] = (values - zeros.reshape(shape)) * scales.reshape(shape)
        return real

    def set_values(index: int, values: npt.NDArray[np.float32]) -> None:
        tensor = graph.tensors[index]
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.astype(np.float32).tobytes(), np.uint8)
        file.buffers.append(buffer)
        tensor.buffer, tensor.type, tensor.quantization = len(file.buffers) - 1, schema.TensorType.FLOAT32, None

    kept, changed = [], False
    for operator in graph.operators:
        values = stored(int(operator.inputs[0])) if kind(operator) == "DEQUANTIZE" else None
        if values is not None:
            set_values(int(operator.outputs[0]), values)
            changed = True
            continue
        kept.append(operator)
        if kind(operator) in _WEIGHTED and types[graph.tensors[operator.inputs[0]].type] == "FLOAT32":
            if hasattr(operator.builtinOptions, "asymmetricQuantizeInputs"):
                operator.builtinOptions.asymmetricQuantizeInputs = False
            if (values := stored(int(operator.inputs[1]))) is not None:
                set_values(int(operator.inputs[1]), values)
                changed = True
    graph.operators = kept
    used = sorted({operator.opcodeIndex for operator in kept})  # the quantiser wants to know every code, used or not
    file.operatorCodes = [file.operatorCodes[index] for index in used]
    for operator in kept:
        operator.opcodeIndex = used.index(operator.opcodeIndex)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(file)) if changed else content


def scales_pictures(model: Any) -> bool:
    """Whether a Keras model has a layer that scales pixels of 0..255; False for anything else."""
    for layer in getattr(model, "layers", ()):
        kind = type(layer).__name__
        if kind == "Normalization" or (kind == "Rescaling" and float(np.max(layer.scale)) < 0.06):
            return True
        if scales_pictures(layer):
            return True
    return False


def takes_raw_pixels(content: bytes) -> bool:
    """Whether a float ``.tflite`` scales its pictures itself, as Keras's Rescaling and Normalization do.

    Its first operator then divides pixels of 0..255, or takes their mean away.
    """
    file = load(content)
    for operator in file.operators:
        if file.inputs[0] in operator.inputs and len(operator.inputs) == 2:
            constants = [file.tensors[i].data for i in operator.inputs if i != file.inputs[0]]
            most = max((float(np.abs(c).max()) for c in constants if c is not None and c.size), default=0.0)
            if operator.kind == "MUL":
                return 0.0 < most < 0.06  # 1/255, 1/127.5, 1/standard deviation
            return most > 20 if operator.kind == "DIV" else operator.kind in ("SUB", "ADD") and most > 2
    return False
