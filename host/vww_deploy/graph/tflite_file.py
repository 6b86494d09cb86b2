"""A .tflite file as plain lists of tensors and operators; damage is refused, known harmless damage is repaired.

The flatbuffer itself is read with the ``tflite`` schema package. A flatbuffer carries no checksum: a cut or random
file shows as offsets that lead nowhere, and that is what is caught here.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import flatbuffers
import numpy as np
import numpy.typing as npt
import tflite

from vww_deploy.errors import ModelError
from vww_deploy.graph.model_file import MARK, tflite_bytes

_DAMAGED: Final = "Fetch the file again, or convert the model again."
_MAX_RANK: Final = 8
_DTYPES: Final[dict[str, type[np.generic]]] = {
    "INT8": np.int8,
    "UINT8": np.uint8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FLOAT32": np.float32,
    "FLOAT16": np.float16,
    "BOOL": np.bool_,
}


def _names(enum: type) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}


_OPERATORS: Final = _names(tflite.BuiltinOperator)
_TYPES: Final = _names(tflite.TensorType)
_OPTION_NAMES: Final = _names(tflite.BuiltinOptions)
_OPTIONS: Final[dict[str, Any]] = {  # of the operators whose options LiteRT reads; it passes over those of others
    "ADD": tflite.AddOptions,
    "ARG_MAX": tflite.ArgMaxOptions,
    "AVERAGE_POOL_2D": tflite.Pool2DOptions,
    "CONCATENATION": tflite.ConcatenationOptions,
    "CONV_2D": tflite.Conv2DOptions,
    "DEPTHWISE_CONV_2D": tflite.DepthwiseConv2DOptions,
    "DEPTH_TO_SPACE": tflite.DepthToSpaceOptions,
    "FULLY_CONNECTED": tflite.FullyConnectedOptions,
    "LEAKY_RELU": tflite.LeakyReluOptions,
    "MAX_POOL_2D": tflite.Pool2DOptions,
    "MEAN": tflite.ReducerOptions,
    "MIRROR_PAD": tflite.MirrorPadOptions,
    "MUL": tflite.MulOptions,
    "PACK": tflite.PackOptions,
    "REDUCE_MAX": tflite.ReducerOptions,
    "RESHAPE": tflite.ReshapeOptions,
    "RESIZE_BILINEAR": tflite.ResizeBilinearOptions,
    "RESIZE_NEAREST_NEIGHBOR": tflite.ResizeNearestNeighborOptions,
    "SHAPE": tflite.ShapeOptions,
    "SOFTMAX": tflite.SoftmaxOptions,
    "SPACE_TO_DEPTH": tflite.SpaceToDepthOptions,
    "SPLIT": tflite.SplitOptions,
    "SPLIT_V": tflite.SplitVOptions,
    "SQUEEZE": tflite.SqueezeOptions,
    "STRIDED_SLICE": tflite.StridedSliceOptions,
    "SUB": tflite.SubOptions,
}


@dataclass(frozen=True, eq=False)
class FileTensor:
    """A tensor as the file has it; ``data`` is None unless it is a constant, ``scales`` empty unless it is
    quantised.
    """

    index: int
    name: str
    dtype: str
    shape: tuple[int, ...]
    scales: npt.NDArray[np.float32]
    zero_points: npt.NDArray[np.int64]
    axis: int
    data: npt.NDArray[np.generic] | None
    sparse: bool


@dataclass(frozen=True, eq=False)
class FileOperator:
    """An operator as the file has it; ``options`` is the schema package's table for it, None where the file has
    none.
    """

    index: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any
    wrong_options: str = ""
    """The name of another operator's options, where the file has such for this one."""


@dataclass(frozen=True, eq=False)
class TfliteFile:
    """What a .tflite holds. ``sha256`` is the file's own; ``content`` the file after repair, which LiteRT loads."""

    name: str
    sha256: str
    content: bytes
    tensors: tuple[FileTensor, ...]
    operators: tuple[FileOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    notices: tuple[str, ...]


class _ContradictionError(Exception):
    """The file was read whole, but what it says cannot be so."""


def load(source: str | Path | bytes, *, name: str = "model") -> TfliteFile:
    """Reads and checks a model file as :func:`tflite_bytes` has it, or a .tflite's bytes; raises ModelError for
    anything that isn't one.
    """
    if isinstance(source, bytes):
        content, where = source, name
        if content[4:8] != MARK:
            raise ModelError(f"{where}: not a .tflite file (no TFL3 mark at byte 4)", hint=_DAMAGED)
    else:
        path = Path(source)
        content, name, where = tflite_bytes(path), path.stem, str(path)
    try:
        return _parse(content, name)
    except _ContradictionError as error:
        raise ModelError(f"{where}: a damaged .tflite file: {error}", hint=_DAMAGED) from error
    except (
        struct.error,
        IndexError,
        ValueError,
        TypeError,
        AttributeError,
        OverflowError,
        UnicodeDecodeError,
        MemoryError,
    ) as error:
        raise ModelError(
            f"{where}: a damaged .tflite file, perhaps cut off after its {len(content):,} bytes "
            f"({type(error).__name__}: {error})",
            hint=_DAMAGED,
        ) from error


def _parse(content: bytes, name: str) -> TfliteFile:
    data = bytearray(content)
    model = tflite.Model.GetRootAs(data, 0)
    if model.SubgraphsLength() != 1:
        raise ModelError(
            f"{name}: {model.SubgraphsLength()} subgraphs; control flow cannot be compiled",
            hint="export a model with one subgraph",
        )
    subgraph = model.Subgraphs(0)
    if max(subgraph.TensorsLength(), subgraph.OperatorsLength(), model.BuffersLength()) > len(content):
        raise _ContradictionError("a table is longer than the file")
    notices: list[str] = []
    repaired = [i for i in range(subgraph.TensorsLength()) if _repair_dimension(subgraph.Tensors(i))]
    if repaired:
        notices.append(
            f"{len(repaired)} one-dimensional tensors carried a quantized_dimension outside their shape; read as 0 "
            f"(first: '{_text(subgraph.Tensors(repaired[0]).Name())}')"
        )
    tensors = tuple(_tensor(model, subgraph.Tensors(i), i) for i in range(subgraph.TensorsLength()))
    operators = tuple(_operator(model, subgraph.Operators(i), i) for i in range(subgraph.OperatorsLength()))
    inputs, outputs = _ints(subgraph.InputsAsNumpy()), _ints(subgraph.OutputsAsNumpy())
    used = [i for op in operators for i in (*op.inputs, *op.outputs)] + [*inputs, *outputs]
    if any(i >= len(tensors) or i < -1 for i in used):
        raise _ContradictionError("an operator names a tensor that does not exist")
    written = [i for op in operators for i in op.outputs]
    if len(set(written)) < len(written):
        raise _ContradictionError("two operators write one tensor")
    if any(i < 0 for i in (*inputs, *outputs)) or not all(op.outputs for op in operators):
        raise _ContradictionError("the model or an operator leads nowhere")
    return TfliteFile(
        name, hashlib.sha256(content).hexdigest(), bytes(data), tensors, operators, inputs, outputs, tuple(notices)
    )


def _repair_dimension(tensor: Any) -> bool:
    """Sets an impossible quantized_dimension of a 1-D tensor to 0, in the buffer that backs the table; True if it
    did.
    """
    quantization = tensor.Quantization()
    if quantization is None or tensor.ShapeLength() != 1 or quantization.QuantizedDimension() == 0:
        return False
    table = quantization._tab
    field = table.Offset(16)  # quantized_dimension is the seventh field of QuantizationParameters
    struct.pack_into("<i", table.Bytes, table.Pos + field, 0)
    return True


def _text(raw: bytes | None) -> str:
    return raw.decode("utf-8", errors="replace") if raw else ""


def _ints(array: Any) -> tuple[int, ...]:
    return tuple(int(v) for v in array) if isinstance(array, np.ndarray) else ()


def _tensor(model: Any, tensor: Any, index: int) -> FileTensor:
    name = _text(tensor.Name()) or f"tensor {index}"
    dtype = _TYPES.get(tensor.Type(), f"type {tensor.Type()}")
    shape = _ints(tensor.ShapeAsNumpy()) if tensor.ShapeLength() else ()
    if len(shape) > _MAX_RANK or any(d < 0 for d in shape):
        raise _ContradictionError(f"tensor '{name}' has shape {list(shape)}")
    quantization = tensor.Quantization()
    scales = np.zeros(0, np.float32)
    zero_points = np.zeros(0, np.int64)
    axis = 0
    if quantization is not None and quantization.ScaleLength():
        scales = np.array(quantization.ScaleAsNumpy(), np.float32)
        zero_points = (
            np.array(quantization.ZeroPointAsNumpy(), np.int64) if quantization.ZeroPointLength() else zero_points
        )
        axis = int(quantization.QuantizedDimension())
        if zero_points.size == 0:
            zero_points = np.zeros(scales.size, np.int64)
        if not np.all(np.isfinite(scales)) or np.any(scales < 0):
            raise _ContradictionError(f"tensor '{name}' has a scale that is no positive number")
    if tensor.Buffer() >= model.BuffersLength():
        raise _ContradictionError(f"tensor '{name}' names a buffer that does not exist")
    buffer = model.Buffers(tensor.Buffer())
    data: npt.NDArray[np.generic] | None = None
    if buffer.Offset() > 1 and not buffer.DataLength():
        raise _ContradictionError(f"tensor '{name}' keeps its data behind the model, as only files beyond 2 GB need to")
    # Buffer 0 is that of tensors without data, whatever it holds: so does LiteRT read it.
    if tensor.Buffer() and buffer.DataLength() and dtype in _DTYPES:
        raw = np.array(buffer.DataAsNumpy(), np.uint8)
        data = raw.view(_DTYPES[dtype]).reshape(shape)
    return FileTensor(index, name, dtype, shape, scales, zero_points, axis, data, tensor.Sparsity() is not None)


def _new_code(code: Any) -> int:
    """The field ``builtin_code`` as it is: the schema package gives the old field's value for those below 127."""
    table = code._tab
    field = table.Offset(10)  # builtin_code is the fourth field of OperatorCode
    return int(table.Get(flatbuffers.number_types.Int32Flags, field + table.Pos)) if field else 0


def _operator(model: Any, operator: Any, index: int) -> FileOperator:
    if operator.OpcodeIndex() >= model.OperatorCodesLength():
        raise _ContradictionError(f"operator {index} has no code")
    code = model.OperatorCodes(operator.OpcodeIndex())
    number = max(_new_code(code), code.DeprecatedBuiltinCode())
    kind = _OPERATORS.get(number, f"operator {number}")
    if kind == "CUSTOM":
        kind = f"CUSTOM '{_text(code.CustomCode())}'"
    options = None
    table = operator.BuiltinOptions()
    name = _OPTION_NAMES.get(operator.BuiltinOptionsType(), f"type {operator.BuiltinOptionsType()}")
    wrong = ""
    if kind in _OPTIONS and table is not None:
        if name == _OPTIONS[kind].__name__:
            options = _OPTIONS[kind]()
            options.Init(table.Bytes, table.Pos)
        else:
            wrong = name
    inputs, outputs = _ints(operator.InputsAsNumpy()), _ints(operator.OutputsAsNumpy())
    return FileOperator(index, kind, inputs, outputs, options, wrong)
