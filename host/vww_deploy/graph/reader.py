"""From a .tflite file to a normalised :class:`~vww_deploy.graph.ir.Graph`.

Normalising: QUANTIZE/DEQUANTIZE at the edges become the tensor's own type, shape arithmetic and reshapes that move
nothing fold away, PAD folds into the convolution behind it, paddings become explicit, scales become fixed-point
multipliers. What cannot be compiled is refused, all of it at once, by operator, tensor name and reason.
"""

from __future__ import annotations

import dataclasses
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tflite

from vww_deploy.errors import ModelError
from vww_deploy.graph.ir import (
    Activation,
    Add,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    Mean,
    Op,
    Pad,
    Padding,
    Pool,
    Quantization,
    Requantization,
    Requantize,
    Reshape,
    Softmax,
    Window,
)
from vww_deploy.graph.multipliers import activation_clamp, quantize_multiplier
from vww_deploy.graph.tflite_file import FileOperator, FileTensor, TfliteFile, load

_ACTIVATIONS: Final = {0: "NONE", 1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6"}
_CHANNEL: Final = 2
Axes = tuple[int | None, ...]
Constant = npt.NDArray[np.generic]


@dataclass(frozen=True)
class _Value:
    """What a file tensor holds: activation ``id``, with file dimension i being axis ``axes[i]`` of it.

    ``flat`` marks a tensor whose last dimension is the whole picture in height, width, channel order.
    """

    id: int
    axes: Axes
    flat: bool = False


class _RefusedError(Exception):
    """One operator cannot be compiled; the reason is for the user."""


def read_model(source: str | Path | bytes, *, name: str = "model") -> Graph:
    """Reads a .tflite file (path or its bytes) and normalises it.

    ``name`` names a model given as bytes. Raises ModelError when the file is damaged, is not quantised to int8, or
    holds something that cannot be compiled; the message names every such operator and tensor.
    """
    file = load(source, name=name)
    return _Normaliser(file).run()


class _Normaliser:
    def __init__(self, file: TfliteFile) -> None:
        self.file = file
        self.tensors = file.tensors
        self.constants: dict[int, Constant] = {t.index: t.data for t in file.tensors if t.data is not None}
        self.values: dict[int, _Value] = {}
        self.activations: dict[int, Activation] = {}
        self.ops: list[Op] = []
        self.edge_inputs: set[int] = set()
        self.input_id = -1
        self.refusals: list[str] = []
        self.rules: Final[dict[str, Callable[[FileOperator], None]]] = {
            "ADD": self._add,
            "AVERAGE_POOL_2D": self._pool,
            "CONV_2D": self._conv,
            "DEPTHWISE_CONV_2D": self._depthwise,
            "DEQUANTIZE": self._dequantize,
            "FULLY_CONNECTED": self._fully_connected,
            "MAX_POOL_2D": self._pool,
            "MEAN": self._mean,
            "PACK": self._pack,
            "PAD": self._pad,
            "QUANTIZE": self._quantize,
            "RESHAPE": self._reshape,
            "SHAPE": self._shape,
            "SOFTMAX": self._softmax,
            "SQUEEZE": self._reshape,
            "STRIDED_SLICE": self._strided_slice,
            "TRANSPOSE": self._transpose,
        }

    def run(self) -> Graph:
        file = self.file
        if len(file.inputs) != 1 or len(file.outputs) != 1:
            raise ModelError(
                f"{file.name}: {len(file.inputs)} inputs and {len(file.outputs)} outputs; one of each is needed",
                hint="export the model with a single picture as input and a single output",
            )
        self._check_float()
        try:
            self._start()
        except _RefusedError as refusal:
            raise ModelError(f"{file.name}: input '{self.tensors[file.inputs[0]].name}': {refusal}") from refusal
        for operator in file.operators:
            self._operator(operator)
        if self.refusals:
            lines = "\n  ".join(self.refusals)
            raise ModelError(
                f"{file.name}: {len(self.refusals)} operator(s) cannot be compiled:\n  {lines}",
                hint="supported: " + ", ".join(sorted(self.rules)) + ", on int8 activations",
            )
        output = self.values.get(file.outputs[0])
        if output is None:
            raise ModelError(
                f"{file.name}: the output '{self.tensors[file.outputs[0]].name}' is no int8 tensor of an operator"
            )
        if output.id == self.input_id or not self.ops:
            raise ModelError(f"{file.name}: the model computes nothing: its output is its input")
        graph = Graph(
            name=file.name,
            sha256=file.sha256,
            tflite=file.content,
            activations=self.activations,
            ops=tuple(self.ops),
            input=self.input_id,
            output=output.id,
            notices=file.notices,
        )
        graph = remove_dead_ops(_fold_padding(graph))
        folded = Counter(op.kind for op in file.operators) - Counter(op.kind for op in graph.ops)
        return graph.replace(folded=dict(sorted(folded.items())))

    # --- what comes in ---

    def _check_float(self) -> None:
        """A float model gets one clear refusal instead of one for each operator."""
        weighted = [op for op in self.file.operators if op.kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")]
        floats = [op for op in weighted if op.inputs and self.tensors[op.inputs[0]].dtype in ("FLOAT32", "FLOAT16")]
        if weighted and len(floats) == len(weighted):
            first = floats[0]
            raise ModelError(
                f"{self.file.name}: a float model ({first.kind} '{self.tensors[first.outputs[0]].name}' computes in "
                f"{self.tensors[first.inputs[0]].dtype}); int8 is needed",
                hint="quantise it to full int8: `vww-deploy quantize MODEL`, or TFLiteConverter with a representative "
                "dataset and TFLITE_BUILTINS_INT8",
            )

    def _start(self) -> None:
        tensor = self.tensors[self.file.inputs[0]]
        if tensor.dtype == "FLOAT32":
            users = [op for op in self.file.operators if tensor.index in op.inputs]
            if not users or any(op.kind != "QUANTIZE" for op in users) or len(users) > 1:
                raise _RefusedError("a float input that does not go into a single QUANTIZE; quantise to full int8")
            tensor = self.tensors[users[0].outputs[0]]
            self.edge_inputs.add(users[0].index)
        elif tensor.dtype == "UINT8":
            users = [op for op in self.file.operators if tensor.index in op.inputs]
            if any(op.kind != "QUANTIZE" for op in users):
                raise _RefusedError(
                    "uint8 activations; only a uint8 input that goes into QUANTIZE is supported: convert to int8"
                )
        self.input_id = self._new(tensor)

    def _operator(self, operator: FileOperator) -> None:
        where = f"{operator.index} {operator.kind}"
        if operator.outputs and operator.outputs[0] >= 0:
            where += f" '{self.tensors[operator.outputs[0]].name}'"
        rule = self.rules.get(operator.kind)
        try:
            if rule is None:
                raise _RefusedError("this operator is not supported")
            if not operator.inputs or len(operator.outputs) != 1 or operator.outputs[0] < 0:
                raise _RefusedError("inputs or outputs are missing")
            if self.refusals and any(
                i >= 0 and i not in self.values and i not in self.constants and i not in self.file.inputs
                for i in operator.inputs
            ):
                # Fed by an operator that was refused already: mark its output unknown and stay silent.
                return
            rule(operator)
        except _RefusedError as refusal:
            self.refusals.append(f"{where}: {refusal}")
        except (struct.error, ArithmeticError, LookupError, ValueError, TypeError, AttributeError) as error:
            self.refusals.append(f"{where}: malformed ({error})")

    # --- helpers ---

    def _quantization(self, tensor: FileTensor) -> Quantization:
        if tensor.dtype not in ("INT8", "UINT8"):
            raise _RefusedError(f"tensor '{tensor.name}' is {tensor.dtype}; int8 is needed")
        if tensor.scales.size != 1 or tensor.zero_points.size != 1 or tensor.scales[0] <= 0:
            raise _RefusedError(f"tensor '{tensor.name}' has no per-tensor scale and zero point")
        zero_point = int(tensor.zero_points[0]) - (128 if tensor.dtype == "UINT8" else 0)
        if not -128 <= zero_point <= 127:
            raise _RefusedError(f"tensor '{tensor.name}' has zero point {int(tensor.zero_points[0])}, outside its type")
        return Quantization(float(tensor.scales[0]), zero_point)

    @staticmethod
    def _default_axes(shape: Sequence[int]) -> Axes:
        if len(shape) > 4 or (len(shape) == 4 and shape[0] != 1):
            raise _RefusedError(f"shape {list(shape)}; batch 1 and at most four dimensions are needed")
        if len(shape) in (2, 3) and shape[0] != 1:
            raise _RefusedError(f"shape {list(shape)}; batch 1 is needed")
        if any(d < 1 for d in shape):
            raise _RefusedError(f"shape {list(shape)}; fixed sizes are needed")
        return {0: (), 1: (2,), 2: (None, 2), 3: (None, 1, 2), 4: (None, 0, 1, 2)}[len(shape)]

    def _new(self, tensor: FileTensor, axes: Axes | None = None) -> int:
        """A new activation for a file tensor, returned by id; the file tensor now holds it."""
        axes = self._default_axes(tensor.shape) if axes is None else axes
        sizes = {axis: tensor.shape[d] for d, axis in enumerate(axes) if axis is not None}
        identity = len(self.activations)
        self.activations[identity] = Activation(
            id=identity,
            name=tensor.name,
            height=sizes.get(0, 1),
            width=sizes.get(1, 1),
            channels=sizes.get(2, 1),
            quantization=self._quantization(tensor),
            source=tensor.index,
            axes=axes,
        )
        self.values[tensor.index] = _Value(identity, axes)
        return identity

    def _value(self, index: int) -> _Value:
        if index in self.values:
            return self.values[index]
        if index < 0:
            raise _RefusedError("an input is missing")
        tensor = self.tensors[index]
        if tensor.data is not None:
            raise _RefusedError(f"input '{tensor.name}' is a constant; a constant operand is not supported here")
        if tensor.dtype in ("FLOAT32", "FLOAT16"):
            raise _RefusedError(f"input '{tensor.name}' is {tensor.dtype}; only the edges of a model may be float")
        raise _RefusedError(f"input '{tensor.name}' ({tensor.dtype}) is not an activation")

    def _picture(self, index: int) -> Activation:
        """The activation behind a file tensor that an operator reads in the file's own layout."""
        value = self._value(index)
        tensor = self.tensors[index]
        if value.flat:
            return self._unflatten(index, value)
        expected = self._default_axes(tensor.shape)
        if any(size > 1 and axis != want for size, axis, want in zip(tensor.shape, value.axes, expected, strict=True)):
            raise _RefusedError(f"input '{tensor.name}' is transposed, and this operator cannot undo it")
        return self.activations[value.id]

    def _unflatten(self, index: int, value: _Value) -> Activation:
        identity = self._new(self.tensors[index])
        self.ops.append(Reshape(self._producer(index), "RESHAPE", (value.id,), identity))
        return self.activations[identity]

    def _producer(self, index: int) -> int:
        return next((op.index for op in self.file.operators if index in op.outputs), -1)

    def _constant(self, index: int) -> Constant:
        if index not in self.constants:
            name = self.tensors[index].name if index >= 0 else "?"
            raise _RefusedError(f"'{name}' must be a constant")
        return self.constants[index]

    def _whole_numbers(self, index: int) -> npt.NDArray[np.int64]:
        """A constant that counts or numbers something: axes, amounts, an order."""
        data = np.asarray(self._constant(index))
        if data.dtype.kind != "i":
            raise _RefusedError(f"'{self.tensors[index].name}' is {data.dtype}; whole numbers are needed")
        return data.astype(np.int64)

    def _weights(self, index: int, channel_axis: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
        """(weights, one scale for each output channel)."""
        tensor = self.tensors[index]
        data = self._constant(index)
        if tensor.dtype != "INT8" or tensor.sparse:
            raise _RefusedError(
                f"weights '{tensor.name}' are {'sparse ' if tensor.sparse else ''}{tensor.dtype}; dense INT8 is needed"
            )
        channels = tensor.shape[channel_axis]
        if tensor.scales.size not in (1, channels):
            raise _RefusedError(f"weights '{tensor.name}' have {tensor.scales.size} scales for {channels} channels")
        if tensor.scales.size > 1 and tensor.axis != channel_axis:
            raise _RefusedError(f"weights '{tensor.name}' are quantised along axis {tensor.axis}, not {channel_axis}")
        if np.any(tensor.zero_points != 0):
            raise _RefusedError(f"weights '{tensor.name}' have a zero point that is not 0")
        if data.size == 0:
            raise _RefusedError(f"weights '{tensor.name}' are empty")
        return data.astype(np.int8), np.broadcast_to(tensor.scales, (channels,)).astype(np.float32)

    def _bias(self, operator: FileOperator, channels: int) -> npt.NDArray[np.int32]:
        index = operator.inputs[2] if len(operator.inputs) > 2 else -1
        if index < 0:
            return np.zeros(channels, np.int32)
        tensor = self.tensors[index]
        data = self._constant(index)
        if tensor.dtype != "INT32" or data.size != channels:
            raise _RefusedError(f"bias '{tensor.name}' is {tensor.dtype}{list(tensor.shape)}, not INT32[{channels}]")
        return data.astype(np.int32).reshape(channels)

    def _requantization(
        self,
        operator: FileOperator,
        source: Activation,
        scales: npt.NDArray[np.float32],
        *,
        per_tensor_product: bool = False,
    ) -> Requantization:
        out = self._quantization(self.tensors[operator.outputs[0]])
        multipliers = []
        for scale in scales:
            # FULLY_CONNECTED with one scale multiplies in float32, convolutions in double: so does TFLite.
            product = (
                float(np.float32(source.quantization.scale) * scale)
                if per_tensor_product
                else source.quantization.scale * float(scale)
            )
            multipliers.append(quantize_multiplier(product / out.scale))
        low, high = self._clamp(operator, out)
        return Requantization(
            bias=self._bias(operator, len(scales)),
            multiplier=np.array([m for m, _ in multipliers], np.int32),
            shift=np.array([s for _, s in multipliers], np.int32),
            clamp_min=low,
            clamp_max=high,
            rounds_once=operator.kind == "FULLY_CONNECTED",
        )

    @staticmethod
    def _clamp(operator: FileOperator, out: Quantization) -> tuple[int, int]:
        code = operator.options.FusedActivationFunction() if operator.options is not None else 0
        if code not in _ACTIVATIONS:
            raise _RefusedError(f"fused activation {code} is not supported; NONE, RELU and RELU6 are")
        return activation_clamp(_ACTIVATIONS[code], out.scale, out.zero_point)

    def _window(self, options: Any, kernel: tuple[int, int], source: Activation, out_tensor: FileTensor) -> Window:
        stride = (options.StrideH(), options.StrideW())
        dilation = (1, 1)
        if hasattr(options, "DilationHFactor"):
            dilation = (options.DilationHFactor(), options.DilationWFactor())
        if min(*stride, *dilation, *kernel) < 1:
            raise _RefusedError(f"kernel {kernel}, stride {stride}, dilation {dilation}")
        sides = []
        for size, out, k, s, d in zip(
            (source.height, source.width), self._spatial(out_tensor), kernel, stride, dilation, strict=True
        ):
            extent = (k - 1) * d + 1
            same = options.Padding() == tflite.Padding.SAME
            expected = -(-size // s) if same else -(-(size - extent + 1) // s)
            if expected != out or out < 1:
                raise _RefusedError(
                    f"output size {out} does not follow from input {size}, kernel {k}, stride {s}, dilation {d}"
                )
            total = (out - 1) * s + extent - size
            before = max(total, 0) // 2 if same else 0
            sides.append((before, total - before))
        return Window(kernel, stride, dilation, Padding(sides[0][0], sides[1][0], sides[0][1], sides[1][1]))

    @staticmethod
    def _spatial(tensor: FileTensor) -> tuple[int, int]:
        if len(tensor.shape) != 4:
            raise _RefusedError(f"'{tensor.name}' has {len(tensor.shape)} dimensions; four are needed")
        return tensor.shape[1], tensor.shape[2]

    def _options(self, operator: FileOperator) -> Any:
        if operator.options is None:
            raise _RefusedError("its options are missing from the file")
        return operator.options

    # --- operators ---

    def _conv(self, op: FileOperator) -> None:
        source = self._picture(op.inputs[0])
        self._spatial(self.tensors[op.inputs[0]])
        out = self.tensors[op.outputs[0]]
        weights, scales = self._weights(op.inputs[1], 0)
        if weights.ndim != 4 or weights.shape[3] != source.channels or out.shape[3:] != weights.shape[:1]:
            raise _RefusedError(
                f"weights {list(weights.shape)} do not fit input {list(source.shape)} and output {list(out.shape)}"
            )
        window = self._window(self._options(op), (weights.shape[1], weights.shape[2]), source, out)
        requantization = self._requantization(op, source, scales)
        self.ops.append(Conv2D(op.index, op.kind, (source.id,), self._new(out), weights, window, requantization))

    def _depthwise(self, op: FileOperator) -> None:
        source = self._picture(op.inputs[0])
        self._spatial(self.tensors[op.inputs[0]])
        out = self.tensors[op.outputs[0]]
        weights, scales = self._weights(op.inputs[1], 3)
        if (
            weights.ndim != 4
            or weights.shape[0] != 1
            or weights.shape[3] % source.channels
            or out.shape[3:] != weights.shape[3:]
        ):
            raise _RefusedError(
                f"weights {list(weights.shape)} do not fit input {list(source.shape)} and output {list(out.shape)}"
            )
        window = self._window(self._options(op), (weights.shape[1], weights.shape[2]), source, out)
        requantization = self._requantization(op, source, scales)
        multiplier = weights.shape[3] // source.channels
        self.ops.append(
            DepthwiseConv2D(
                op.index, op.kind, (source.id,), self._new(out), weights[0], window, requantization, multiplier
            )
        )

    def _fully_connected(self, op: FileOperator) -> None:
        value = self._value(op.inputs[0])
        source = self.activations[value.id] if value.flat else self._picture(op.inputs[0])
        out = self.tensors[op.outputs[0]]
        if op.options is not None and op.options.WeightsFormat() != 0:
            raise _RefusedError("shuffled weights are not supported")
        weights, scales = self._weights(op.inputs[1], 0)
        if weights.ndim != 2:
            raise _RefusedError(f"weights {list(weights.shape)}; two dimensions are needed")
        per_tensor = self.tensors[op.inputs[1]].scales.size == 1
        requantization = self._requantization(op, source, scales, per_tensor_product=per_tensor)
        if weights.shape[1] == source.size:
            identity = self._new(out)
            if self.activations[identity].size != weights.shape[0]:
                raise _RefusedError(f"output {list(out.shape)} does not hold {weights.shape[0]} values")
            self.ops.append(FullyConnected(op.index, op.kind, (source.id,), identity, weights, requantization))
        elif weights.shape[1] == source.channels and not value.flat:
            # The last dimension alone is multiplied: a 1x1 convolution over the others.
            identity = self._new(out)
            if self.activations[identity].shape != (source.height, source.width, weights.shape[0]):
                raise _RefusedError(f"output {list(out.shape)} does not follow from input {list(source.shape)}")
            kernel = weights.reshape(weights.shape[0], 1, 1, weights.shape[1])
            window = Window((1, 1), (1, 1))
            self.ops.append(Conv2D(op.index, op.kind, (source.id,), identity, kernel, window, requantization))
        else:
            raise _RefusedError(f"weights {list(weights.shape)} do not fit an input of {source.size} values")

    def _pool(self, op: FileOperator) -> None:
        source = self._picture(op.inputs[0])
        out = self.tensors[op.outputs[0]]
        options = self._options(op)
        window = self._window(options, (options.FilterHeight(), options.FilterWidth()), source, out)
        quantization = self._quantization(out)
        if quantization != source.quantization:
            raise _RefusedError(
                "input and output have different scales or zero points, which TFLite's pooling does not rescale"
            )
        if out.shape[3] != source.channels:
            raise _RefusedError(f"output {list(out.shape)} does not follow from input {list(source.shape)}")
        low, high = self._clamp(op, quantization)
        self.ops.append(Pool(op.index, op.kind, (source.id,), self._new(out), window, low, high))

    def _mean(self, op: FileOperator) -> None:
        value = self._value(op.inputs[0])
        if value.flat:
            value = _Value(
                self._unflatten(op.inputs[0], value).id, self._default_axes(self.tensors[op.inputs[0]].shape)
            )
        source = self.activations[value.id]
        tensor, out = self.tensors[op.inputs[0]], self.tensors[op.outputs[0]]
        rank = len(tensor.shape)
        reduced = {int(a) % rank for a in self._whole_numbers(op.inputs[1]).reshape(-1)}
        axes = {value.axes[d] for d in reduced if tensor.shape[d] > 1}
        if _CHANNEL in axes:
            raise _RefusedError("a mean over the channels; only height and width are supported")
        kept = [d for d in range(rank) if d not in reduced]
        if len(out.shape) == rank:
            out_axes: Axes = tuple(None if d in reduced else value.axes[d] for d in range(rank))
        elif len(out.shape) == len(kept):
            out_axes = tuple(value.axes[d] for d in kept)
        else:
            raise _RefusedError(f"output {list(out.shape)} does not follow from input {list(tensor.shape)}")
        quantization = self._quantization(out)
        multiplier, shift = quantize_multiplier(source.quantization.scale / quantization.scale)
        canonical = tuple(sorted(a for a in axes if a is not None))
        self.ops.append(Mean(op.index, op.kind, (source.id,), self._new(out, out_axes), canonical, multiplier, shift))

    def _add(self, op: FileOperator) -> None:
        left, right = self._picture(op.inputs[0]), self._picture(op.inputs[1])
        out = self.tensors[op.outputs[0]]
        quantization = self._quantization(out)
        if left.shape != right.shape:
            raise _RefusedError(
                f"inputs of different shapes {list(left.shape)} and {list(right.shape)}; broadcasting is not supported"
            )
        low, high = self._clamp(op, quantization)
        # TFLite brings both inputs to twice the larger scale with 20 bits to spare (reference add, int8).
        twice = 2.0 * max(left.quantization.scale, right.quantization.scale)
        parts = [
            quantize_multiplier(left.quantization.scale / twice),
            quantize_multiplier(right.quantization.scale / twice),
            quantize_multiplier(twice / ((1 << 20) * quantization.scale)),
        ]
        if parts[2][1] > 0:
            raise _RefusedError("its output scale is so small that TFLite refuses it, too")
        multipliers = (parts[0][0], parts[1][0], parts[2][0])
        shifts = (parts[0][1], parts[1][1], parts[2][1])
        self.ops.append(Add(op.index, op.kind, (left.id, right.id), self._new(out), multipliers, shifts, low, high))

    def _pad(self, op: FileOperator) -> None:
        source = self._picture(op.inputs[0])
        tensor, out = self.tensors[op.inputs[0]], self.tensors[op.outputs[0]]
        amounts = self._whole_numbers(op.inputs[1]).reshape(-1, 2)
        if len(amounts) != len(tensor.shape) or amounts.min() < 0:
            raise _RefusedError(f"paddings {amounts.tolist()} do not fit input {list(tensor.shape)}")
        if self._quantization(out) != source.quantization:
            raise _RefusedError("input and output have different scales or zero points")
        by_axis = dict.fromkeys(range(3), (0, 0))
        for axis, (before, after) in zip(self._default_axes(tensor.shape), amounts.tolist(), strict=True):
            if axis is None and (before or after):
                raise _RefusedError("padding of the batch")
            if axis is not None:
                by_axis[axis] = (before, after)
        if not amounts.any():
            self.values[out.index] = _Value(source.id, self._default_axes(out.shape))
            return
        padding = Padding(by_axis[0][0], by_axis[1][0], by_axis[0][1], by_axis[1][1])
        identity = self._new(out)
        expected = (
            source.height + sum(by_axis[0]),
            source.width + sum(by_axis[1]),
            source.channels + sum(by_axis[2]),
        )
        if self.activations[identity].shape != expected:
            raise _RefusedError(f"output {list(out.shape)} does not follow from input {list(tensor.shape)}")
        self.ops.append(Pad(op.index, op.kind, (source.id,), identity, padding, *by_axis[2]))

    def _reshape(self, op: FileOperator) -> None:
        source, out = self.tensors[op.inputs[0]], self.tensors[op.outputs[0]]
        if source.index in self.constants:
            self.constants[out.index] = self.constants[source.index].reshape(out.shape)
            return
        value = self._value(source.index)
        shape = out.shape
        if np.prod(source.shape, dtype=np.int64) != np.prod(shape, dtype=np.int64):
            raise _RefusedError(f"shape {list(source.shape)} to {list(shape)} changes the number of values")
        if self._quantization(out) != self.activations[value.id].quantization:
            raise _RefusedError("input and output have different scales or zero points")
        if value.flat:
            self._reshape_picture(op, value.id, out)
            return
        kept = [(size, axis) for size, axis in zip(source.shape, value.axes, strict=True) if size > 1]
        natural = self._default_axes(source.shape)
        transposed = any(
            size > 1 and axis != want for size, axis, want in zip(source.shape, value.axes, natural, strict=True)
        )
        if [size for size, _ in kept] == [size for size in shape if size > 1]:
            remaining = iter(kept)
            axes = tuple(next(remaining)[1] if size > 1 else None for size in shape)
            wanted = self._default_axes(shape)
            if transposed or all(a == w for size, a, w in zip(shape, axes, wanted, strict=True) if size > 1):
                self.values[out.index] = _Value(value.id, axes)
                return
        self._picture(source.index)  # refuses a transposed one
        if len([size for size in shape if size > 1]) <= 1:
            self.values[out.index] = _Value(value.id, self._default_axes(shape), flat=True)
            return
        self._reshape_picture(op, value.id, out)

    def _reshape_picture(self, op: FileOperator, source: int, out: FileTensor) -> None:
        self.ops.append(Reshape(op.index, op.kind, (source,), self._new(out)))

    def _softmax(self, op: FileOperator) -> None:
        source = self._picture(op.inputs[0])
        out = self.tensors[op.outputs[0]]
        if source.height * source.width != 1:
            raise _RefusedError(f"input {list(source.shape)}; only a vector is supported")
        quantization = self._quantization(out)
        if quantization != Quantization(1 / 256, -128):
            raise _RefusedError(
                f"output scale {quantization.scale} and zero point {quantization.zero_point}; 1/256 and -128 are needed"
            )
        beta = float(self._options(op).Beta())
        self.ops.append(Softmax(op.index, op.kind, (source.id,), self._new(out), beta))

    def _quantize(self, op: FileOperator) -> None:
        out = self.tensors[op.outputs[0]]
        if op.index in self.edge_inputs:
            return  # the float input: its int8 output is the graph's input already
        if self.tensors[op.inputs[0]].dtype == "FLOAT32":
            raise _RefusedError(
                f"input '{self.tensors[op.inputs[0]].name}' is FLOAT32; only the edges of a model may be float"
            )
        value = self._value(op.inputs[0])
        source = self.activations[value.id]
        quantization = self._quantization(out)
        if quantization == source.quantization:
            self.values[out.index] = value
            return
        if value.flat:
            source = self._unflatten(op.inputs[0], value)
            value = self.values[op.inputs[0]]
        multiplier, shift = quantize_multiplier(source.quantization.scale / quantization.scale)
        self.ops.append(Requantize(op.index, op.kind, (source.id,), self._new(out, value.axes), multiplier, shift))

    def _dequantize(self, op: FileOperator) -> None:
        if op.outputs[0] not in self.file.outputs:
            raise _RefusedError("DEQUANTIZE inside the model; only the output may be float")
        self.values[op.outputs[0]] = self._value(op.inputs[0])

    def _transpose(self, op: FileOperator) -> None:
        source, out = self.tensors[op.inputs[0]], self.tensors[op.outputs[0]]
        order = self._whole_numbers(op.inputs[1]).reshape(-1).tolist()
        if sorted(order) != list(range(len(source.shape))):
            raise _RefusedError(f"permutation {order} does not fit input {list(source.shape)}")
        value = self._value(source.index)
        if value.flat:
            value = _Value(self._unflatten(source.index, value).id, self._default_axes(source.shape))
        if self._quantization(out) != self.activations[value.id].quantization:
            raise _RefusedError("input and output have different scales or zero points")
        self.values[out.index] = _Value(value.id, tuple(value.axes[d] for d in order))

    def _shape(self, op: FileOperator) -> None:
        self.constants[op.outputs[0]] = np.array(self.tensors[op.inputs[0]].shape, np.int32)

    def _strided_slice(self, op: FileOperator) -> None:
        data, begin, end, step = (self._whole_numbers(i) for i in op.inputs[:4])
        options = self._options(op)
        if options.EllipsisMask() or options.NewAxisMask():
            raise _RefusedError("ellipsis or new axis masks")
        index: list[int | slice] = []
        for d in range(begin.size):
            if options.ShrinkAxisMask() >> d & 1:
                index.append(int(begin[d]))
                continue
            low = None if options.BeginMask() >> d & 1 else int(begin[d])
            high = None if options.EndMask() >> d & 1 else int(end[d])
            index.append(slice(low, high, int(step[d])))
        self.constants[op.outputs[0]] = np.asarray(data[tuple(index)])

    def _pack(self, op: FileOperator) -> None:
        parts = [self._whole_numbers(i) for i in op.inputs]
        self.constants[op.outputs[0]] = np.stack(parts, axis=int(self._options(op).Axis()))


def _fold_padding(graph: Graph) -> Graph:
    """PAD into the convolutions behind it: both pad with the zero point, so the amounts add up."""
    pads = {
        op.output: op for op in graph.ops if isinstance(op, Pad) and not op.channels_before and not op.channels_after
    }
    ops: list[Op] = []
    for op in graph.ops:
        pad = pads.get(op.inputs[0])
        # A padded 1x1 convolution would be a pointwise one no more.
        if pad is not None and isinstance(op, Conv2D | DepthwiseConv2D) and op.window.kernel != (1, 1):
            inner, outer = op.window.padding, pad.padding
            padding = Padding(
                inner.top + outer.top, inner.left + outer.left, inner.bottom + outer.bottom, inner.right + outer.right
            )
            window = Window(op.window.kernel, op.window.stride, op.window.dilation, padding)
            op = dataclasses.replace(op, inputs=pad.inputs, window=window)
        ops.append(op)
    return graph.replace(ops=tuple(ops))


def remove_dead_ops(graph: Graph) -> Graph:
    """Drops operators, then activations, that the output does not depend on."""
    needed = {graph.output}
    ops: list[Op] = []
    for op in reversed(graph.ops):
        if op.output in needed:
            ops.append(op)
            needed.update(op.inputs)
    needed.add(graph.input)
    return graph.replace(
        ops=tuple(reversed(ops)), activations={i: a for i, a in graph.activations.items() if i in needed}
    )
