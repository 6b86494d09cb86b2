"""Changes that leave a float network's answers alone and make int8 lose less; and int8's classifier set right.

All work on ``.tflite`` files, so on networks from anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from vww_deploy.training.interpret import PixelRange, Pixels, open_interpreter, show, tensor_values
from vww_deploy.training.mobilenet import require_tensorflow

_MOST_STRETCH: Final = 8.0
_HEADROOM: Final = 1.1  # other pictures may reach a little higher than those that the ranges are taken from


def equalise(float_model: bytes, pictures: Pixels, pixel_range: PixelRange = None) -> bytes:
    """Stretch the channels between a convolution and a depthwise one to the range of the largest among them.

    int8 gives all channels of a tensor one scale, so small ones get few steps. Multiplying a channel's weights and
    dividing the depthwise kernel that reads it changes nothing in float, and costs nothing at int8, for both have a
    scale for each channel (Nagel et al., 2019, equalise all layers; where weights share a scale that has its price).

    Args:
        float_model: a float ``.tflite``.
        pictures: uint8 ``[N, h, w, c]``, which show the ranges. Values more than 10 % above a stretched channel's range
            are cut off there, as int8 cuts off those above a tensor's range.
    """
    file = _File(float_model)
    pairs = []
    for first in (*file.all_of("CONV_2D"), *file.all_of("DEPTHWISE_CONV_2D")):
        between = int(first.outputs[0])
        readers = file.readers(between)
        if len(readers) != 1 or between in file.outputs or not file.is_a(readers[0], "DEPTHWISE_CONV_2D"):
            continue
        constants = [*first.inputs[1:], readers[0].inputs[1]]
        if len(constants) == 3 and file.stretches(first) and all(file.is_own(one) for one in constants):
            pairs.append((first, readers[0], between))
    largest = _largest(float_model, [between for *_, between in pairs], pictures, pixel_range)
    for first, second, between in pairs:
        ceiling = largest[between].max()
        stretch = ceiling / np.maximum(_HEADROOM * largest[between], 1e-9)
        stretch = np.clip(stretch, 1.0, _MOST_STRETCH).astype(np.float32)
        weights, bias = file.values(first.inputs[1]), file.values(first.inputs[2])
        by_output = stretch if file.is_a(first, "DEPTHWISE_CONV_2D") else stretch[:, None, None, None]
        file.change(first.inputs[1], weights * by_output)
        file.change(first.inputs[2], bias * stretch)
        kernel = file.values(second.inputs[1])
        multiplier = kernel.shape[3] // len(stretch)
        file.change(second.inputs[1], kernel / np.repeat(stretch, multiplier))
    return file.content() if pairs else float_model


def centre_logits(float_model: bytes) -> bytes:
    """Take the mean over the classes from every logit of a float ``.tflite``.

    A softmax does not see it; two centred logits are each other's negative, and int8 needs the least range for them.
    A model that does not end in a dense layer and a softmax is handed back as it is.
    """
    file = _File(float_model)
    dense = file.classifier()
    if dense is None:
        return float_model
    weights, bias = (file.values(one) for one in dense.inputs[1:3])
    file.change(dense.inputs[1], weights - weights.mean(axis=0, keepdims=True))
    file.change(dense.inputs[2], bias - bias.mean())
    return file.content()


def settle(int8_model: bytes, float_model: bytes, pictures: Pixels, pixel_range: PixelRange = None) -> bytes:
    """Correct the classifier's biases of an int8 ``.tflite`` against ``float_model``.

    The mean error of each logit over ``pictures``, uint8 ``[N, h, w, c]``, is taken away; and all logits move up by
    half a step, which a softmax does not see: rounded, two centred logits are then never equal.
    There are few steps around 0.5, and pictures that lie exactly there change sides together.
    """
    rough, exact = _File(int8_model), _File(float_model)
    dense, like = rough.classifier(), exact.classifier()
    if dense is None or like is None:
        return int8_model
    logits, truth = int(dense.outputs[0]), int(like.outputs[0])
    computed = tensor_values(int8_model, logits, pictures, pixel_range)
    error = (computed - tensor_values(float_model, truth, pictures, pixel_range)).mean(axis=0)
    error -= error.mean()
    step = float(rough.tensors[logits].quantization.scale[0])
    index = dense.inputs[2]
    scales = np.array(rough.tensors[index].quantization.scale, np.float64)
    bias = rough.values(index, np.int32)
    rough.change(index, (bias + np.round((step / 2 - error) / scales)).astype(np.int32))
    return rough.content()


class _File:
    """A ``.tflite`` as objects whose constants can be changed."""

    def __init__(self, content: bytes) -> None:
        require_tensorflow()
        from tensorflow.lite.python import schema_py_generated
        from tensorflow.lite.tools import flatbuffer_utils

        self._schema, self._tools = schema_py_generated, flatbuffer_utils
        self._file = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
        graph = self._file.subgraphs[0]
        self.tensors, self._operators = graph.tensors, list(graph.operators)
        self.outputs = {int(one) for one in graph.outputs}

    def is_a(self, operator: Any, name: str) -> bool:
        code = self._file.operatorCodes[operator.opcodeIndex]
        return bool(max(code.builtinCode, code.deprecatedBuiltinCode) == getattr(self._schema.BuiltinOperator, name))

    def all_of(self, name: str) -> list[Any]:
        return [one for one in self._operators if self.is_a(one, name)]

    def readers(self, tensor: int) -> list[Any]:
        return [one for one in self._operators if tensor in [int(index) for index in one.inputs]]

    def is_own(self, tensor: int) -> bool:
        """Whether one operator alone reads a constant."""
        buffer = self.tensors[tensor].buffer
        same = [index for index, one in enumerate(self.tensors) if one.buffer == buffer]
        return sum(len(self.readers(index)) for index in same) == 1

    def stretches(self, operator: Any) -> bool:
        """Whether its activation stays what it is when channels are multiplied, up to the largest value seen."""
        kinds = self._schema.ActivationFunctionType
        return operator.builtinOptions.fusedActivationFunction in (kinds.NONE, kinds.RELU, kinds.RELU6)

    def classifier(self) -> Any:
        """The dense layer with biases that feeds the only softmax; None if there is no such layer."""
        softmaxes = self.all_of("SOFTMAX")
        if len(softmaxes) != 1:
            return None
        dense = [one for one in self.all_of("FULLY_CONNECTED") if softmaxes[0].inputs[0] in list(one.outputs)]
        if not dense or len(dense[0].inputs) < 3 or dense[0].inputs[2] < 0:
            return None
        return dense[0] if int(self.tensors[dense[0].inputs[2]].shape[0]) > 1 else None

    def values(self, tensor: int, dtype: type = np.float32) -> npt.NDArray[Any]:
        one = self.tensors[tensor]
        return np.frombuffer(bytes(self._file.buffers[one.buffer].data), dtype).reshape(one.shape)

    def change(self, tensor: int, values: npt.NDArray[Any]) -> None:
        self._file.buffers[self.tensors[tensor].buffer].data = np.frombuffer(values.tobytes(), np.uint8)

    def content(self) -> bytes:
        return bytes(self._tools.convert_object_to_bytearray(self._file))


def _largest(
    model: bytes, tensors: Iterable[int], pictures: Pixels, pixel_range: PixelRange
) -> dict[int, npt.NDArray[np.float32]]:
    """The largest magnitude of each channel of some tensors."""
    interpreter = open_interpreter(model, keep_all=True)
    found = {index: np.zeros(1, np.float32) for index in tensors}
    for one in pictures:
        show(interpreter, one, pixel_range)
        for index, before in found.items():
            values = np.abs(interpreter.get_tensor(index))
            found[index] = np.maximum(before, values.max(axis=tuple(range(values.ndim - 1))))
    return found
