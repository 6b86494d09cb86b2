"""Helpers of the operators' readers: what a file's tensors hold, and what an operator's numbers mean."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import tflite

from vww_deploy.graph.geometry import Padding, Window
from vww_deploy.graph.ir import Activation, Op, Quantization, Requantization
from vww_deploy.graph.multipliers import activation_clamp, quantize_multiplier
from vww_deploy.graph.refused import Refusal
from vww_deploy.graph.tflite_file import FileOperator, FileTensor, TfliteFile

_ACTIVATIONS: Final = {0: "NONE", 1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6"}
CHANNEL: Final = 2
_MOST_ELEMENTS: Final = 1 << 24
"""Of one tensor: more than any microcontroller's RAM holds."""
_MOST_IN_ALL: Final = 1 << 26
"""Of all tensors: of a picture that no microcontroller takes."""
Axes = tuple[int | None, ...]
Constant = npt.NDArray[np.generic]
Weights = npt.NDArray[np.int8] | npt.NDArray[np.int16]


@dataclass(frozen=True)
class Value:
    """What a file tensor holds: activation ``id``, with file dimension i being axis ``axes[i]`` of it.

    ``flat`` marks a tensor whose last dimension is the whole picture in height, width, channel order.
    """

    id: int
    axes: Axes
    flat: bool = False


class RefusedError(Exception):
    """One operator cannot be compiled; the reason is for the user."""


class TooLargeError(RefusedError):
    """A tensor that no device has room for."""


MakeTranspose: TypeAlias = Callable[[int, str, tuple[int, ...], int, tuple[int, int, int]], Op]
MakeReshape: TypeAlias = Callable[[int, str, tuple[int, ...], int], Op]


class Reader:
    """A file on its way to a graph: what was read so far, and how its tensors are understood.

    ``constants`` and ``values`` hold what is known of the file's tensors, by index; an operator's reader adds its
    output to one of them, and to ``ops`` what is to be computed.

    Args:
        file: to be read.
        transpose: makes the operator of that name; operators use this module, which therefore knows none of them.
        reshape: likewise.
    """

    def __init__(self, file: TfliteFile, transpose: MakeTranspose, reshape: MakeReshape) -> None:
        self.file = file
        self._transpose = transpose
        self._reshape = reshape
        self.tensors = file.tensors
        self.constants: dict[int, Constant] = {t.index: t.data for t in file.tensors if t.data is not None}
        self.values: dict[int, Value] = {}
        self.activations: dict[int, Activation] = {}
        self.ops: list[Op] = []
        self.edge_inputs: set[int] = set()
        self.input_id = -1
        self.elements = 0
        self.refusals: list[Refusal] = []

    def start(self) -> None:
        """The input, or the int8 tensor behind a float or uint8 one."""
        tensor = self.tensors[self.file.inputs[0]]
        if tensor.dtype == "FLOAT32":
            users = [op for op in self.file.operators if tensor.index in op.inputs]
            if not users or any(op.kind != "QUANTIZE" for op in users) or len(users) > 1:
                raise RefusedError("a float input that does not go into a single QUANTIZE; quantise to full int8")
            tensor = self.tensors[users[0].outputs[0]]
            self.edge_inputs.add(users[0].index)
        self.input_id = self.new(tensor, self._channels_first(tensor) or self._gray(tensor))

    @staticmethod
    def _gray(tensor: FileTensor) -> Axes | None:
        """The axes of an input [1, height, width]; a last dimension of up to four is one of channels."""
        return (None, 0, 1) if len(tensor.shape) == 3 and tensor.shape[0] == 1 and tensor.shape[2] > 4 else None

    def _channels_first(self, tensor: FileTensor) -> Axes | None:
        """The axes of an input [1, channels, height, width] that a TRANSPOSE makes a picture of at once."""
        users = [op for op in self.file.operators if tensor.index in op.inputs]
        if len(users) != 1 or users[0].kind != "TRANSPOSE" or len(users[0].inputs) != 2 or len(tensor.shape) != 4:
            return None
        order = self.constants.get(users[0].inputs[1])
        turned = order is not None and np.asarray(order).reshape(-1).tolist() == [0, 2, 3, 1]
        return (None, 2, 0, 1) if turned and tensor.shape[0] == 1 else None

    def quantization(self, tensor: FileTensor) -> Quantization:
        """A tensor's scale and zero point, of its values as int8."""
        if tensor.dtype not in ("INT8", "UINT8"):
            raise RefusedError(f"tensor '{tensor.name}' is {tensor.dtype}; int8 is needed")
        if tensor.scales.size != 1 or tensor.zero_points.size != 1 or tensor.scales[0] <= 0:
            raise RefusedError(f"tensor '{tensor.name}' has no per-tensor scale and zero point")
        zero_point = int(tensor.zero_points[0]) - (128 if tensor.dtype == "UINT8" else 0)
        if not -128 <= zero_point <= 127:
            raise RefusedError(f"tensor '{tensor.name}' has zero point {int(tensor.zero_points[0])}, outside its type")
        return Quantization(float(tensor.scales[0]), zero_point)

    def multiplier(self, real: float, most: int) -> tuple[int, int]:
        """A fixed-point multiplier for whole numbers up to ``most``; refused where LiteRT's 32 bits overflow."""
        multiplier, shift = quantize_multiplier(real)
        if most << max(shift, 0) >= 1 << 31:
            raise RefusedError(f"a scaling by {real:g}, with which LiteRT's own arithmetic overflows")
        return multiplier, shift

    def needs_output(self, operator: FileOperator, wanted: Quantization) -> None:
        """Refuses an operator whose output has not the one scale and zero point that LiteRT allows it."""
        found = self.quantization(self.tensors[operator.outputs[0]])
        if found != wanted:
            raise RefusedError(
                f"output scale {found.scale} and zero point {found.zero_point}; 1/{round(1 / wanted.scale)} and "
                f"{wanted.zero_point} are needed"
            )

    def needs_scale(self, tensor: FileTensor, wanted: Quantization) -> None:
        """Refuses an operator that moves values about if its output ``tensor`` has another scale or zero point."""
        if self.quantization(tensor) != wanted:
            raise RefusedError("input and output have different scales or zero points")

    @staticmethod
    def default_axes(shape: Sequence[int]) -> Axes:
        """Which axis of a picture each dimension of a tensor is, in TFLite's own order."""
        if len(shape) > 4 or (len(shape) == 4 and shape[0] != 1):
            raise RefusedError(f"shape {list(shape)}; batch 1 and at most four dimensions are needed")
        if len(shape) == 2 and shape[0] > 1:
            return (1, 2)  # the positions of a map, one after the other
        if len(shape) == 3 and shape[0] != 1:
            raise RefusedError(f"shape {list(shape)}; batch 1 is needed")
        if any(d < 1 for d in shape):
            raise RefusedError(f"shape {list(shape)}; fixed sizes are needed")
        return {0: (), 1: (2,), 2: (None, 2), 3: (None, 1, 2), 4: (None, 0, 1, 2)}[len(shape)]

    def new(self, tensor: FileTensor, axes: Axes | None = None, quantization: Quantization | None = None) -> int:
        """A new activation for a file tensor, returned by id; the file tensor now holds it.

        ``quantization`` is for a tensor that is not int8 in the file.
        """
        axes = self.default_axes(tensor.shape) if axes is None else axes
        sizes = {axis: tensor.shape[d] for d, axis in enumerate(axes) if axis is not None}
        size = math.prod(tensor.shape)
        self.elements += size
        if size > _MOST_ELEMENTS or self.elements > _MOST_IN_ALL:
            raise TooLargeError(
                f"shape {list(tensor.shape)}: {size:,} values, {self.elements:,} of all tensors so far; at most "
                f"{_MOST_ELEMENTS:,} and {_MOST_IN_ALL:,} are compiled"
            )
        identity = len(self.activations)
        self.activations[identity] = Activation(
            id=identity,
            name=tensor.name,
            height=sizes.get(0, 1),
            width=sizes.get(1, 1),
            channels=sizes.get(2, 1),
            quantization=quantization or self.quantization(tensor),
            source=tensor.index,
            axes=axes,
        )
        self.values[tensor.index] = Value(identity, axes)
        return identity

    def value(self, index: int) -> Value:
        """What an input tensor holds."""
        if index in self.values:
            return self.values[index]
        if index < 0:
            raise RefusedError("an input is missing")
        tensor = self.tensors[index]
        if tensor.data is not None:
            raise RefusedError(f"input '{tensor.name}' is a constant; a constant operand is not supported here")
        if tensor.dtype in ("FLOAT32", "FLOAT16"):
            raise RefusedError(f"input '{tensor.name}' is {tensor.dtype}; only the edges of a model may be float")
        raise RefusedError(f"input '{tensor.name}' ({tensor.dtype}) is not an activation")

    def picture(self, index: int) -> Activation:
        """The activation behind a file tensor that an operator reads in the file's own layout."""
        value = self.value(index)
        tensor = self.tensors[index]
        if value.flat:
            return self.unflatten(index, value)
        expected = self.default_axes(tensor.shape)
        if any(size > 1 and axis != want for size, axis, want in zip(tensor.shape, value.axes, expected, strict=True)):
            return self._in_order(index, value)
        return self.activations[value.id]

    def _in_order(self, index: int, value: Value) -> Activation:
        """The activation of a transposed tensor, in the file's own layout: a copy."""
        tensor = self.tensors[index]
        axes = self.default_axes(tensor.shape)
        found = {
            to: of for size, of, to in zip(tensor.shape, value.axes, axes, strict=True) if size > 1 and of is not None
        }
        left = [axis for axis in range(3) if axis not in found.values()]
        order = [found[axis] if axis in found else left.pop(0) for axis in range(3)]
        identity = self.transposed(index, value, axes, (order[0], order[1], order[2]))
        self.values[index] = Value(identity, axes)
        return self.activations[identity]

    def transposed(self, index: int, value: Value, axes: Axes, order: tuple[int, int, int]) -> int:
        """A new activation, by id: a file tensor's, whose axis i is axis ``order[i]`` of ``value``'s activation.

        ``axes`` are the new one's for the dimensions of the file tensor, which goes on to hold what it held.
        """
        held = self.values[index]
        identity = self.new(self.tensors[index], axes)
        self.values[index] = held
        self.ops.append(self._transpose(self.producer(index), "TRANSPOSE", (value.id,), identity, order))
        return identity

    def unflatten(self, index: int, value: Value) -> Activation:
        """The activation of a flat tensor, in its own shape."""
        identity = self.new(self.tensors[index])
        self.ops.append(self._reshape(self.producer(index), "RESHAPE", (value.id,), identity))
        return self.activations[identity]

    def producer(self, index: int) -> int:
        """The index of the operator that makes a tensor."""
        return next((op.index for op in self.file.operators if index in op.outputs), -1)

    def constant(self, index: int) -> Constant:
        """The value of a tensor that is known."""
        if index not in self.constants:
            name = self.tensors[index].name if index >= 0 else "?"
            raise RefusedError(f"'{name}' must be a constant")
        return self.constants[index]

    def whole_numbers(self, index: int) -> npt.NDArray[np.int64]:
        """A constant that counts or numbers something: axes, amounts, an order."""
        data = np.asarray(self.constant(index))
        if data.dtype.kind != "i":
            raise RefusedError(f"'{self.tensors[index].name}' is {data.dtype}; whole numbers are needed")
        return data.astype(np.int64)

    def weights(self, index: int, channel_axis: int) -> tuple[Weights, npt.NDArray[np.float32]]:
        """(weights less their zero point, one scale for each output channel).

        Weights are int8; those of a uint8 file that need more are int16.
        """
        tensor = self.tensors[index]
        data = self.constant(index)
        if tensor.dtype == "UINT8" and tensor.zero_points.size == 1 and not tensor.sparse:
            data = data.astype(np.int16) - np.int16(tensor.zero_points[0])
            if data.size and data.min() >= -128 and data.max() <= 127:
                data = data.astype(np.int8)
        elif tensor.dtype != "INT8" or tensor.sparse:
            raise RefusedError(
                f"weights '{tensor.name}' are {'sparse ' if tensor.sparse else ''}{tensor.dtype}; dense INT8 is needed"
            )
        channels = tensor.shape[channel_axis]
        if tensor.scales.size not in (1, channels):
            raise RefusedError(f"weights '{tensor.name}' have {tensor.scales.size} scales for {channels} channels")
        if tensor.scales.size > 1 and tensor.axis != channel_axis:
            raise RefusedError(f"weights '{tensor.name}' are quantised along axis {tensor.axis}, not {channel_axis}")
        if tensor.dtype == "INT8" and np.any(tensor.zero_points != 0):
            raise RefusedError(f"weights '{tensor.name}' have a zero point that is not 0")
        if data.size == 0:
            raise RefusedError(f"weights '{tensor.name}' are empty")
        wide: Weights = data.astype(np.int16) if data.dtype == np.int16 else data.astype(np.int8)
        return wide, np.broadcast_to(tensor.scales, (channels,)).astype(np.float32)

    def bias(self, operator: FileOperator, channels: int) -> npt.NDArray[np.int32]:
        """An operator's third input, int32 [channels]; zeros where it has none."""
        index = operator.inputs[2] if len(operator.inputs) > 2 else -1
        if index < 0:
            return np.zeros(channels, np.int32)
        tensor = self.tensors[index]
        data = self.constant(index)
        if tensor.dtype != "INT32" or data.size != channels:
            raise RefusedError(f"bias '{tensor.name}' is {tensor.dtype}{list(tensor.shape)}, not INT32[{channels}]")
        return data.astype(np.int32).reshape(channels)

    def requantization(
        self,
        operator: FileOperator,
        source: Activation,
        scales: npt.NDArray[np.float32],
        weights: Weights,
        *,
        per_tensor_product: bool = False,
    ) -> Requantization:
        """A weighted operator's scaling; ``weights`` are [channels, taps], ``scales`` theirs."""
        out = self.quantization(self.tensors[operator.outputs[0]])
        bias = self.bias(operator, len(scales))
        unsigned = self.tensors[operator.inputs[1]].dtype == "UINT8"
        most = 255 * np.abs(weights.astype(np.int64)).sum(axis=1) + np.abs(bias.astype(np.int64))
        multipliers = []
        for scale, bound in zip(scales, most.tolist(), strict=True):
            # FULLY_CONNECTED with one scale and uint8 layers multiply in float32, convolutions in double, as TFLite.
            product = (
                float(np.float32(source.quantization.scale) * scale)
                if per_tensor_product or unsigned
                else source.quantization.scale * float(scale)
            )
            multipliers.append(self.multiplier(product / out.scale, bound))
        low, high = self.clamp(operator, out)
        return Requantization(
            bias=bias,
            multiplier=np.array([m for m, _ in multipliers], np.int32),
            shift=np.array([s for _, s in multipliers], np.int32),
            clamp_min=low,
            clamp_max=high,
            rounds_once=operator.kind == "FULLY_CONNECTED",
        )

    @staticmethod
    def clamp(operator: FileOperator, out: Quantization) -> tuple[int, int]:
        """The range of an operator's fused activation."""
        code = operator.options.FusedActivationFunction() if operator.options is not None else 0
        if code not in _ACTIVATIONS:
            raise RefusedError(f"fused activation {code} is not supported; NONE, RELU and RELU6 are")
        return activation_clamp(_ACTIVATIONS[code], out.scale, out.zero_point)

    def window(self, options: Any, kernel: tuple[int, int], source: Activation, out_tensor: FileTensor) -> Window:
        """A sliding window, checked against the output's shape."""
        stride = (options.StrideH(), options.StrideW())
        dilation = (1, 1)
        if hasattr(options, "DilationHFactor"):
            dilation = (options.DilationHFactor(), options.DilationWFactor())
        if options.Padding() not in (tflite.Padding.SAME, tflite.Padding.VALID):
            raise RefusedError(f"padding {options.Padding()}; SAME and VALID are known")
        if min(*stride, *dilation, *kernel) < 1:
            raise RefusedError(f"kernel {kernel}, stride {stride}, dilation {dilation}")
        sides = []
        for size, out, k, s, d in zip(
            (source.height, source.width), self.spatial(out_tensor), kernel, stride, dilation, strict=True
        ):
            extent = (k - 1) * d + 1
            same = options.Padding() == tflite.Padding.SAME
            expected = -(-size // s) if same else -(-(size - extent + 1) // s)
            if expected != out or out < 1:
                raise RefusedError(
                    f"output size {out} does not follow from input {size}, kernel {k}, stride {s}, dilation {d}"
                )
            total = (out - 1) * s + extent - size
            before = max(total, 0) // 2 if same else 0
            sides.append((before, total - before))
        return Window(kernel, stride, dilation, Padding(sides[0][0], sides[1][0], sides[0][1], sides[1][1]))

    @staticmethod
    def spatial(tensor: FileTensor) -> tuple[int, int]:
        """Height and width of a tensor of four dimensions."""
        if len(tensor.shape) != 4:
            raise RefusedError(f"'{tensor.name}' has {len(tensor.shape)} dimensions; four are needed")
        return tensor.shape[1], tensor.shape[2]

    def options(self, operator: FileOperator) -> Any:
        """An operator's options, which it cannot do without."""
        if operator.options is None:
            raise RefusedError("its options are missing from the file")
        return operator.options


Rule = Callable[[Reader, FileOperator], None]
"""Reads one operator; raises RefusedError."""
