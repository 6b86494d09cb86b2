"""Writes small .tflite files for tests, with nothing but the schema and flatbuffers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flatbuffers
import numpy as np
import tflite

_DTYPES = {
    "INT8": np.int8,
    "INT16": np.int16,
    "FLOAT16": np.float16,
    "UINT8": np.uint8,
    "INT32": np.int32,
    "INT64": np.int64,
    "FLOAT32": np.float32,
}
_VERSIONS = {  # int8 came with these
    tflite.BuiltinOperator.ADD: 2,
    tflite.BuiltinOperator.ARG_MAX: 2,
    tflite.BuiltinOperator.AVERAGE_POOL_2D: 2,
    tflite.BuiltinOperator.CONCATENATION: 2,
    tflite.BuiltinOperator.CONV_2D: 3,
    tflite.BuiltinOperator.DEPTHWISE_CONV_2D: 3,
    tflite.BuiltinOperator.DEQUANTIZE: 2,
    tflite.BuiltinOperator.FULLY_CONNECTED: 6,
    tflite.BuiltinOperator.LEAKY_RELU: 2,
    tflite.BuiltinOperator.LOGISTIC: 2,
    tflite.BuiltinOperator.MAX_POOL_2D: 2,
    tflite.BuiltinOperator.MAXIMUM: 2,
    tflite.BuiltinOperator.MEAN: 2,
    tflite.BuiltinOperator.MINIMUM: 2,
    tflite.BuiltinOperator.MIRROR_PAD: 2,
    tflite.BuiltinOperator.MUL: 2,
    tflite.BuiltinOperator.PAD: 2,
    tflite.BuiltinOperator.PADV2: 2,
    tflite.BuiltinOperator.QUANTIZE: 2,
    tflite.BuiltinOperator.REDUCE_MAX: 2,
    tflite.BuiltinOperator.RELU: 2,
    tflite.BuiltinOperator.RELU6: 2,
    tflite.BuiltinOperator.RESIZE_BILINEAR: 2,
    tflite.BuiltinOperator.RESIZE_NEAREST_NEIGHBOR: 2,
    tflite.BuiltinOperator.SLICE: 2,
    tflite.BuiltinOperator.SOFTMAX: 2,
    tflite.BuiltinOperator.SPACE_TO_DEPTH: 2,
    tflite.BuiltinOperator.SPLIT: 2,
    tflite.BuiltinOperator.STRIDED_SLICE: 2,
    tflite.BuiltinOperator.SUB: 2,
    tflite.BuiltinOperator.TANH: 2,
    tflite.BuiltinOperator.TRANSPOSE: 2,
}
Options = tuple[int, Callable[[flatbuffers.Builder], int]]


class ModelWriter:
    """Collects tensors and operators, then writes them."""

    def __init__(self) -> None:
        self.tensors: list[dict[str, Any]] = []
        self.operators: list[tuple[int, list[int], list[int], Options | None]] = []

    def tensor(
        self,
        shape: Sequence[int],
        *,
        dtype: str = "INT8",
        scale: float | Sequence[float] | None = None,
        zero_point: int = 0,
        data: np.ndarray | None = None,
        axis: int = 0,
        name: str = "",
    ) -> int:
        """Adds a tensor and returns its index."""
        scales = None if scale is None else np.atleast_1d(np.asarray(scale, np.float32))
        self.tensors.append(
            {
                "shape": list(shape),
                "dtype": dtype,
                "scales": scales,
                "zero_point": zero_point,
                "data": None if data is None else np.ascontiguousarray(data, _DTYPES[dtype]),
                "axis": axis,
                "name": name or f"t{len(self.tensors)}",
            }
        )
        return len(self.tensors) - 1

    def op(self, kind: str, inputs: Sequence[int], outputs: Sequence[int], options: Options | None = None) -> None:
        """Adds an operator by the name of its builtin code."""
        self.operators.append((getattr(tflite.BuiltinOperator, kind), list(inputs), list(outputs), options))

    def write(
        self,
        inputs: Sequence[int],
        outputs: Sequence[int],
        *,
        code_fields: str = "both",
        first_buffer: np.ndarray | None = None,
        custom_code: str = "",
    ) -> bytes:
        """The file's bytes.

        ``code_fields`` is where operator codes are written: ``both``, ``new`` or ``old``; ``first_buffer`` what buffer
        0 holds, which is the one of tensors without data; ``custom_code`` the name of the operator CUSTOM.
        """
        b = flatbuffers.Builder(1 << 16)
        buffers = [self._buffer(b, first_buffer)]
        tensors = []
        for tensor in self.tensors:
            number = 0
            if tensor["data"] is not None:
                number = len(buffers)
                buffers.append(self._buffer(b, tensor["data"]))
            tensors.append(self._tensor(b, tensor, number))
        codes = sorted({kind for kind, *_ in self.operators})
        operators = [self._operator(b, codes, *operator) for operator in self.operators]
        code_offsets = []
        custom = b.CreateString(custom_code) if custom_code else None
        for code in codes:
            tflite.OperatorCodeStart(b)
            if code_fields in ("both", "old"):
                tflite.OperatorCodeAddDeprecatedBuiltinCode(b, min(code, 127))
            if code_fields in ("both", "new"):
                tflite.OperatorCodeAddBuiltinCode(b, code)
            if custom is not None:
                tflite.OperatorCodeAddCustomCode(b, custom)
            tflite.OperatorCodeAddVersion(b, _VERSIONS.get(code, 1))
            code_offsets.append(tflite.OperatorCodeEnd(b))
        tensor_vector = self._offsets(b, tensors)
        operator_vector = self._offsets(b, operators)
        input_vector, output_vector = self._ints(b, inputs), self._ints(b, outputs)
        tflite.SubGraphStart(b)
        tflite.SubGraphAddTensors(b, tensor_vector)
        tflite.SubGraphAddInputs(b, input_vector)
        tflite.SubGraphAddOutputs(b, output_vector)
        tflite.SubGraphAddOperators(b, operator_vector)
        subgraphs = self._offsets(b, [tflite.SubGraphEnd(b)])
        code_vector = self._offsets(b, code_offsets)
        buffer_vector = self._offsets(b, buffers)
        tflite.ModelStart(b)
        tflite.ModelAddVersion(b, 3)
        tflite.ModelAddOperatorCodes(b, code_vector)
        tflite.ModelAddSubgraphs(b, subgraphs)
        tflite.ModelAddBuffers(b, buffer_vector)
        b.Finish(tflite.ModelEnd(b), b"TFL3")
        return bytes(b.Output())

    @staticmethod
    def _buffer(b: flatbuffers.Builder, data: np.ndarray | None) -> int:
        vector = None if data is None else b.CreateByteVector(data.tobytes())
        tflite.BufferStart(b)
        if vector is not None:
            tflite.BufferAddData(b, vector)
        return int(tflite.BufferEnd(b))

    @staticmethod
    def _offsets(b: flatbuffers.Builder, offsets: Sequence[int]) -> int:
        b.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            b.PrependUOffsetTRelative(offset)
        return int(b.EndVector())

    @staticmethod
    def _ints(b: flatbuffers.Builder, values: Sequence[int]) -> int:
        return int(b.CreateNumpyVector(np.asarray(values, np.int32)))

    def _tensor(self, b: flatbuffers.Builder, tensor: dict[str, Any], buffer: int) -> int:
        quantization = None
        if tensor["scales"] is not None:
            scales = b.CreateNumpyVector(tensor["scales"])
            zero_points = b.CreateNumpyVector(np.full(tensor["scales"].size, tensor["zero_point"], np.int64))
            tflite.QuantizationParametersStart(b)
            tflite.QuantizationParametersAddScale(b, scales)
            tflite.QuantizationParametersAddZeroPoint(b, zero_points)
            tflite.QuantizationParametersAddQuantizedDimension(b, tensor["axis"])
            quantization = tflite.QuantizationParametersEnd(b)
        name = b.CreateString(tensor["name"])
        shape = self._ints(b, tensor["shape"])
        tflite.TensorStart(b)
        tflite.TensorAddShape(b, shape)
        tflite.TensorAddType(b, getattr(tflite.TensorType, tensor["dtype"]))
        tflite.TensorAddBuffer(b, buffer)
        tflite.TensorAddName(b, name)
        if quantization is not None:
            tflite.TensorAddQuantization(b, quantization)
        return int(tflite.TensorEnd(b))

    def _operator(
        self,
        b: flatbuffers.Builder,
        codes: Sequence[int],
        kind: int,
        ins: list[int],
        outs: list[int],
        options: Options | None,
    ) -> int:
        table = options[1](b) if options else None
        inputs, outputs = self._ints(b, ins), self._ints(b, outs)
        tflite.OperatorStart(b)
        tflite.OperatorAddOpcodeIndex(b, codes.index(kind))
        tflite.OperatorAddInputs(b, inputs)
        tflite.OperatorAddOutputs(b, outputs)
        if options and table is not None:
            tflite.OperatorAddBuiltinOptionsType(b, options[0])
            tflite.OperatorAddBuiltinOptions(b, table)
        return int(tflite.OperatorEnd(b))


def options(name: str, **fields: float) -> Options:
    """Builtin options by table name, e.g. ``options("Conv2DOptions", StrideH=2)``."""

    def build(b: flatbuffers.Builder) -> int:
        getattr(tflite, f"{name}Start")(b)
        for field, value in fields.items():
            getattr(tflite, f"{name}Add{field}")(b, value)
        return int(getattr(tflite, f"{name}End")(b))

    return getattr(tflite.BuiltinOptions, name), build
