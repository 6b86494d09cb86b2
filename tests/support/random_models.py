"""Random small models: all operators, odd sizes, zero points and scales at their edges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tests.support.tflite_writer import ModelWriter, Options, options

UNARY = ("LOGISTIC", "TANH", "RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU", "HARD_SWISH")
ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU6": 3}


@dataclass
class Tensor:
    """An int8 tensor of the model under construction."""

    index: int
    shape: tuple[int, ...]
    scale: float
    zero_point: int


class RandomModel:
    """Builds a model operator by operator; ``random`` decides everything."""

    def __init__(
        self, random: np.random.Generator, height: int, width: int, channels: int, dtype: str = "INT8"
    ) -> None:
        self.random = random
        self.dtype = dtype
        self.writer = ModelWriter()
        self.dead_channels = False
        scale, zero_point = self.quantization()
        index = self._activations((1, height, width, channels), scale, zero_point, "input")
        self.input = self.now = Tensor(index, (1, height, width, channels), scale, zero_point)
        self.history: list[Tensor] = [self.input]

    def quantization(self) -> tuple[float, int]:
        """A scale and a zero point, often an extreme one."""
        scale = float(np.float32(10 ** self.random.uniform(-3, 1)))
        return scale, int(self.random.choice([-128, -128, 127, 0, int(self.random.integers(-128, 128))]))

    def output(self, shape: tuple[int, ...], scale: float | None = None, zero_point: int | None = None) -> Tensor:
        """A new tensor that becomes the current one."""
        drawn = self.quantization()
        scale = drawn[0] if scale is None else scale
        zero_point = drawn[1] if zero_point is None else zero_point
        index = self._activations(shape, scale, zero_point)
        self.now = Tensor(index, shape, scale, zero_point)
        self.history.append(self.now)
        return self.now

    def _activations(self, shape: tuple[int, ...], scale: float, zero_point: int, name: str = "") -> int:
        """A tensor of the model's type; zero points are int8's throughout."""
        offset = 128 if self.dtype == "UINT8" else 0
        return self.writer.tensor(shape, dtype=self.dtype, scale=scale, zero_point=zero_point + offset, name=name)

    def _constant(self, shape: tuple[int, ...], scale: float, zero_point: int, data: np.ndarray) -> int:
        """A constant of the model's type; values and zero point are int8's throughout."""
        offset = 128 if self.dtype == "UINT8" else 0
        return self.writer.tensor(
            shape, dtype=self.dtype, scale=scale, zero_point=zero_point + offset, data=data + offset
        )

    def finish(self) -> bytes:
        """The file."""
        return self.writer.write([self.input.index], [self.now.index])

    # --- operators ---

    def conv(self, *, kernel: int | None = None, stride: int | None = None, groups: int = 1) -> None:
        """A convolution that fits the current tensor."""
        _, h, w, c = self.now.shape
        kh, kw, padding, sh, sw, dh, dw, oh, ow = self._window(h, w, kernel, stride, dilate=True)
        out_c = groups * int(self.random.integers(1, 9))
        weights, bias, scales = self._weights((out_c, kh, kw, c // groups), 0, kh * kw * c // groups)
        source, out = self.now, self.output((1, oh, ow, out_c), *self._output_quantization(scales))
        self.writer.op(
            "CONV_2D",
            [i for i in (source.index, weights, bias) if i >= 0],
            [out.index],
            options(
                "Conv2DOptions",
                Padding=padding,
                StrideH=sh,
                StrideW=sw,
                DilationHFactor=dh,
                DilationWFactor=dw,
                FusedActivationFunction=self._activation(),
            ),
        )

    def grouped(self) -> None:
        """A convolution in groups of channels, where they can be divided."""
        self.conv(groups=next((n for n in (3, 2) if self.now.shape[3] % n == 0), 1))

    def pointwise(self) -> None:
        """A 1x1 convolution."""
        self.conv(kernel=1, stride=1)

    def depthwise(self) -> None:
        """A depthwise convolution, often 3x3, with any depth multiplier."""
        _, h, w, c = self.now.shape
        dilate = bool(self.random.random() < 0.2)
        kh, kw, padding, sh, sw, dh, dw, oh, ow = self._window(h, w, None, None, dilate=dilate, square=True)
        multiplier = int(self.random.choice([1, 1, 1, 2, 3]))
        weights, bias, scales = self._weights((1, kh, kw, c * multiplier), 3, kh * kw)
        source, out = self.now, self.output((1, oh, ow, c * multiplier), *self._output_quantization(scales))
        self.writer.op(
            "DEPTHWISE_CONV_2D",
            [i for i in (source.index, weights, bias) if i >= 0],
            [out.index],
            options(
                "DepthwiseConv2DOptions",
                Padding=padding,
                StrideH=sh,
                StrideW=sw,
                DepthMultiplier=multiplier,
                DilationHFactor=dh,
                DilationWFactor=dw,
                FusedActivationFunction=self._activation(),
            ),
        )

    def layer(self, channels: int, kernel: int, stride: int) -> None:
        """A SAME convolution with RELU."""
        _, h, w, c = self.now.shape
        weights, bias, scales = self._weights((channels, kernel, kernel, c), 0, kernel * kernel * c, per_tensor=False)
        source = self.now
        scale = float(np.float32(source.scale * float(scales.max()) * 2**8))
        out = self.output((1, -(-h // stride), -(-w // stride), channels), scale, -128)
        fields = {"StrideH": stride, "StrideW": stride, "DilationHFactor": 1, "DilationWFactor": 1}
        table = options("Conv2DOptions", Padding=0, FusedActivationFunction=1, **fields)
        self.writer.op("CONV_2D", [i for i in (source.index, weights, bias) if i >= 0], [out.index], table)

    def separable(self, channels: int, stride: int) -> None:
        """A 3x3 depthwise convolution and a pointwise one."""
        _, h, w, c = self.now.shape
        weights, bias, scales = self._weights((1, 3, 3, c), 3, 9, per_tensor=False)
        source = self.now
        scale = float(np.float32(source.scale * float(scales.max()) * 2**7))
        out = self.output((1, -(-h // stride), -(-w // stride), c), scale, -128)
        fields = {"StrideH": stride, "StrideW": stride, "DilationHFactor": 1, "DilationWFactor": 1}
        table = options("DepthwiseConv2DOptions", Padding=0, DepthMultiplier=1, FusedActivationFunction=1, **fields)
        self.writer.op("DEPTHWISE_CONV_2D", [i for i in (source.index, weights, bias) if i >= 0], [out.index], table)
        self.layer(channels, 1, 1)

    def pool(self) -> None:
        """Average or maximum pooling."""
        _, h, w, c = self.now.shape
        kh, kw, padding, sh, sw, _, _, oh, ow = self._window(h, w, None, None, dilate=False)
        source, out = self.now, self.output((1, oh, ow, c), self.now.scale, self.now.zero_point)
        self.writer.op(
            str(self.random.choice(["AVERAGE_POOL_2D", "MAX_POOL_2D"])),
            [source.index],
            [out.index],
            options(
                "Pool2DOptions",
                Padding=padding,
                StrideH=sh,
                StrideW=sw,
                FilterHeight=kh,
                FilterWidth=kw,
                FusedActivationFunction=self._activation(),
            ),
        )

    def add(self) -> None:
        """A sum with any earlier tensor of the same shape (maybe itself)."""
        others = [t for t in self.history if t.shape == self.now.shape]
        other = others[int(self.random.integers(len(others)))]
        source = self.now
        scale = float(np.float32(max(source.scale, other.scale) * self.random.uniform(0.5, 3)))
        out = self.output(source.shape, scale)
        pair = [source.index, other.index] if self.random.random() < 0.5 else [other.index, source.index]
        self.writer.op("ADD", pair, [out.index], options("AddOptions", FusedActivationFunction=self._activation()))

    def pad(self) -> None:
        """Padding of height and width, sometimes of the channels."""
        _, h, w, c = self.now.shape
        amounts = self.random.integers(0, 3, (4, 2))
        amounts[0] = 0
        if self.random.random() < 0.6:
            amounts[3] = 0
        shape = (1, h + int(amounts[1].sum()), w + int(amounts[2].sum()), c + int(amounts[3].sum()))
        source, out = self.now, self.output(shape, self.now.scale, self.now.zero_point)
        index = self.writer.tensor((4, 2), dtype="INT32", data=amounts)
        self.writer.op("PAD", [source.index, index], [out.index], options("PadOptions"))

    def requantize(self) -> None:
        """QUANTIZE from int8 to int8."""
        scale = float(np.float32(self.now.scale * self.random.uniform(0.3, 3)))
        source, out = self.now, self.output(self.now.shape, scale)
        self.writer.op("QUANTIZE", [source.index], [out.index], options("QuantizeOptions"))

    def unary(self, kind: str | None = None) -> None:
        """An operator on single values."""
        kind = kind or str(self.random.choice(UNARY))
        scale, zero_point = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}.get(kind, (None, None))
        if scale is None:
            scale = float(np.float32(self.now.scale * self.random.uniform(0.4, 2.5)))
        source, out = self.now, self.output(self.now.shape, scale, zero_point)
        table = None
        if kind == "LEAKY_RELU":
            table = options("LeakyReluOptions", Alpha=float(self.random.uniform(0.01, 0.9)))
        self.writer.op(kind, [source.index], [out.index], table)

    def binary(self, kind: str | None = None, shape: tuple[int, ...] | None = None) -> None:
        """Arithmetic with a constant: a scalar, or something as large as channels, columns or the whole."""
        kind = kind or str(self.random.choice(["ADD", "SUB", "MUL", "PRELU"]))
        _, h, w, c = self.now.shape
        if shape is None:
            shapes = [(), (c,), (1, 1, 1, c), (1, 1, w, c), (h, 1, 1), (1, h, w, 1), (1, h, w, c)]
            shape = shapes[int(self.random.integers(len(shapes)))]
        other = float(np.float32(self.now.scale * self.random.uniform(0.2, 4)))
        data = self.random.integers(-128, 128, shape)
        constant = self._constant(shape, other, int(self.random.integers(-128, 128)), data)
        source, swapped = self.now, kind != "PRELU" and self.random.random() < 0.3
        spread = 60 * self.now.scale * other if kind == "MUL" else max(self.now.scale, other)
        if kind == "PRELU":
            spread = self.now.scale * max(1, 100 * other)
        out = self.output(source.shape, float(np.float32(spread * self.random.uniform(0.5, 3))))
        pair = [constant, source.index] if swapped else [source.index, constant]
        table = None
        if kind != "PRELU":
            table = options(f"{kind.capitalize()}Options", FusedActivationFunction=self._activation())
        self.writer.op(kind, pair, [out.index], table)

    def clip(self, kind: str | None = None) -> None:
        """MINIMUM or MAXIMUM with a constant, on either side."""
        kind = kind or str(self.random.choice(["MINIMUM", "MAXIMUM"]))
        source, number = self.now, self.random.integers(-128, 128, ())
        bound = self._constant((), source.scale, source.zero_point, number)
        out = self.output(source.shape, source.scale, source.zero_point)
        pair = [bound, source.index] if self.random.random() < 0.5 else [source.index, bound]
        self.writer.op(kind, pair, [out.index], options("MaximumMinimumOptions"))

    def excite(self) -> None:
        """Squeeze and excite: each channel by a factor made of its mean."""
        source = self.now
        _, _, _, c = source.shape
        axes = self.writer.tensor((2,), dtype="INT32", data=np.array([1, 2]))
        mean = self.output((1, 1, 1, c), source.scale, source.zero_point)
        self.writer.op("MEAN", [source.index, axes], [mean.index], options("ReducerOptions", KeepDims=True))
        self.unary("LOGISTIC")
        gate, scale = self.now, float(np.float32(source.scale * self.random.uniform(0.3, 1)))
        pair = [source.index, gate.index] if self.random.random() < 0.5 else [gate.index, source.index]
        out = self.output(source.shape, scale)
        self.writer.op("MUL", pair, [out.index], options("MulOptions", FusedActivationFunction=0))

    def concatenate(self, axis: int | None = None) -> None:
        """An earlier tensor beside the current one, along the channels unless said otherwise."""
        now, axis = self.now, int(self.random.choice([1, 2, 3, 3])) if axis is None else axis
        others = [
            t for t in self.history if len(t.shape) == 4 and t.shape[:axis] + t.shape[axis + 1 :] == self._without(axis)
        ]
        other = others[int(self.random.integers(len(others)))]
        joined = list(now.shape)
        joined[axis] += other.shape[axis]
        if joined[axis] > 30:
            return
        same = self.output(other.shape, now.scale, now.zero_point)
        self.writer.op("QUANTIZE", [other.index], [same.index], options("QuantizeOptions"))
        out = self.output(tuple(joined), now.scale, now.zero_point)
        table = options("ConcatenationOptions", Axis=axis - 4 * int(self.random.integers(2)), FusedActivationFunction=0)
        self.writer.op("CONCATENATION", [now.index, same.index], [out.index], table)

    def _without(self, axis: int) -> tuple[int, ...]:
        return self.now.shape[:axis] + self.now.shape[axis + 1 :]

    def moved(self, kind: str, shape: tuple[int, ...], constants: list[np.ndarray], table: Options | None) -> None:
        """An operator that moves values, with whole numbers as its other inputs."""
        source, out = self.now, self.output(shape, self.now.scale, self.now.zero_point)
        more = [self.writer.tensor(c.shape, dtype="INT32", data=c) for c in constants]
        self.writer.op(kind, [source.index, *more], [out.index], table)

    def slice(self) -> None:
        """SLICE of a part."""
        full = np.array(self.now.shape)
        begin = np.array([int(self.random.integers(n)) for n in full])
        size = np.array([int(self.random.integers(1, n - b + 1)) for n, b in zip(full, begin, strict=True)])
        written = np.where((begin + size == full) & (self.random.random(4) < 0.5), -1, size)
        self.moved("SLICE", tuple(size.tolist()), [begin, written], options("SliceOptions"))

    def strided_slice(self) -> None:
        """STRIDED_SLICE with any strides, backwards too."""
        full = np.array(self.now.shape)
        step = self.random.choice([1, 1, 2, 3, -1, -2], 4)
        step[0] = 1
        begin = np.array([int(self.random.integers(n)) for n in full])
        end = np.where(step > 0, full, 0)
        masks = [int(self.random.integers(16)) for _ in range(2)]
        index = [
            slice(None if masks[0] >> d & 1 else b, None if masks[1] >> d & 1 else e, s)
            for d, (b, e, s) in enumerate(zip(begin.tolist(), end.tolist(), step.tolist(), strict=True))
        ]
        shape = np.empty(self.now.shape)[tuple(index)].shape
        if min(shape) < 1:
            return
        table = options("StridedSliceOptions", BeginMask=masks[0], EndMask=masks[1])
        self.moved("STRIDED_SLICE", shape, [begin, end, step], table)

    def split(self) -> None:
        """SPLIT into parts, of which one goes on."""
        axis = int(self.random.integers(1, 4))
        size = self.now.shape[axis]
        parts = next((n for n in (3, 2) if size % n == 0), 1)
        shape = list(self.now.shape)
        shape[axis] //= parts
        source = self.now
        outs = [self.output(tuple(shape), source.scale, source.zero_point) for _ in range(parts)]
        where = self.writer.tensor((), dtype="INT32", data=np.array(axis))
        table = options("SplitOptions", NumSplits=parts)
        self.writer.op("SPLIT", [where, source.index], [out.index for out in outs], table)
        self.now = outs[int(self.random.integers(parts))]

    def mirror_pad(self) -> None:
        """MIRROR_PAD of either kind."""
        symmetric = int(self.random.integers(2))
        sizes = [0, *(n - 1 + symmetric for n in self.now.shape[1:3]), 0]
        amounts = np.array([[int(self.random.integers(min(n, 3) + 1)) for _ in range(2)] for n in sizes])
        shape = tuple(int(n + pair.sum()) for n, pair in zip(self.now.shape, amounts, strict=True))
        self.moved("MIRROR_PAD", shape, [amounts], options("MirrorPadOptions", Mode=symmetric))

    def pad_with(self) -> None:
        """PADV2 with any value."""
        amounts = self.random.integers(0, 3, (4, 2))
        amounts[0] = 0
        shape = tuple(int(n + pair.sum()) for n, pair in zip(self.now.shape, amounts, strict=True))
        source, out = self.now, self.output(shape, self.now.scale, self.now.zero_point)
        index = self.writer.tensor((4, 2), dtype="INT32", data=amounts)
        number = self.random.integers(-128, 128, (1,))
        value = self.writer.tensor((1,), scale=source.scale, zero_point=source.zero_point, data=number)
        self.writer.op("PADV2", [source.index, index, value], [out.index], options("PadV2Options"))

    def resize(self, kind: str | None = None) -> None:
        """RESIZE of either kind, in any of the ways to count pixels."""
        _, h, w, c = self.now.shape
        kind = kind or str(self.random.choice(["RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR"]))
        size = np.array([int(self.random.choice([n, 2 * n, int(self.random.integers(1, 2 * n + 2))])) for n in (h, w)])
        corners, centers = ((False, False), (True, False), (False, True))[int(self.random.integers(3))]
        name = "ResizeNearestNeighborOptions" if kind == "RESIZE_NEAREST_NEIGHBOR" else "ResizeBilinearOptions"
        table = options(name, AlignCorners=corners, HalfPixelCenters=centers)
        if h * w < 500:
            self.moved(kind, (1, *size.tolist(), c), [size], table)

    def blocks(self, kind: str | None = None) -> None:
        """SPACE_TO_DEPTH or DEPTH_TO_SPACE."""
        _, h, w, c = self.now.shape
        block = next((b for b in (3, 2) if h % b == w % b == 0), 1)
        if kind == "SPACE_TO_DEPTH" or (kind is None and block > 1 and c * block * block < 30):
            shape, kind, name = (1, h // block, w // block, c * block * block), "SPACE_TO_DEPTH", "SpaceToDepthOptions"
        else:
            block = next((b for b in (3, 2) if c % (b * b) == 0), 1)
            shape, kind, name = (1, h * block, w * block, c // block // block), "DEPTH_TO_SPACE", "DepthToSpaceOptions"
        self.moved(kind, shape, [], options(name, BlockSize=block))

    def transpose(self) -> None:
        """TRANSPOSE of height, width and channels."""
        order = [0, *(1 + self.random.permutation(3)).tolist()]
        shape = tuple(self.now.shape[d] for d in order)
        self.moved("TRANSPOSE", shape, [np.array(order)], options("TransposeOptions"))

    def softmax_map(self) -> None:
        """SOFTMAX over the channels of a map."""
        source = self.now
        if source.scale < 1e-3 or source.shape[3] > 20:  # LiteRT aborts where many values are all but equal
            return
        out = self.output(source.shape, 1 / 256, -128)
        self.writer.op("SOFTMAX", [source.index], [out.index], options("SoftmaxOptions", Beta=1.0))

    def arg_max(self, dtype: str = "INT64") -> None:
        """ARG_MAX over the channels, which is the model's output."""
        shape = self.now.shape[:-1]
        axis = self.writer.tensor((), dtype="INT32", data=np.array(self.random.choice([-1, len(shape)])))
        index = self.writer.tensor(shape, dtype=dtype)
        table = options("ArgMaxOptions", OutputType={"INT32": 2, "INT64": 4}[dtype])
        self.writer.op("ARG_MAX", [self.now.index, axis], [index], table)
        self.now = Tensor(index, shape, 1.0, 0)

    def dense_on_map(self) -> None:
        """FULLY_CONNECTED at each position: its output is a batch of vectors, which a RESHAPE makes a map again."""
        _, h, w, c = self.now.shape
        if h * w == 1:
            return
        units = int(self.random.integers(1, 6))
        self._reshape((h * w, c))
        self._dense(units, rows=h * w)
        self._reshape((1, h, w, units))

    def reshape(self) -> None:
        """The same values in another shape."""
        _, h, w, c = self.now.shape
        shape = (1, w, h, c) if self.random.random() < 0.5 else (1, h * w, 1, c) if c > 1 else (1, 1, h, w)
        self._reshape(shape)

    def _reshape(self, shape: tuple[int, ...]) -> None:
        source, out = self.now, self.output(shape, self.now.scale, self.now.zero_point)
        index = self.writer.tensor((len(shape),), dtype="INT32", data=np.array(shape))
        self.writer.op("RESHAPE", [source.index, index], [out.index], options("ReshapeOptions"))

    def tail(self) -> None:
        """From a picture to a vector: mean or flattening, then maybe a dense layer and softmax."""
        _, _, _, c = self.now.shape
        if self.random.random() < 0.5:
            keep = bool(self.random.random() < 0.5)
            scale = float(np.float32(self.now.scale * self.random.uniform(0.5, 1.5)))
            same = bool(self.random.random() < 0.5)
            source = self.now
            shape = (1, 1, 1, c) if keep else (1, c)
            out = self.output(shape, *((source.scale, source.zero_point) if same else (scale, None)))
            index = self.writer.tensor((2,), dtype="INT32", data=np.array([1, 2]))
            self.writer.op("MEAN", [source.index, index], [out.index], options("ReducerOptions", KeepDims=keep))
            if keep:
                self._reshape((1, c))
            self._dense_tail()
        else:
            self.flatten()

    def flatten(self) -> None:
        """From a picture to a vector, then maybe dense layers and softmax."""
        _, h, w, c = self.now.shape
        self._reshape((1, h * w * c))
        self._dense_tail()

    def join(self, parts: list[Tensor]) -> None:
        """Vectors beside each other, at one scale."""
        for part in parts:
            self.now = part
            out = self.output(part.shape, 0.05, 0)
            self.writer.op("QUANTIZE", [part.index], [out.index], options("QuantizeOptions"))
        same = self.history[-len(parts) :]
        out = self.output((1, 1, 1, sum(part.shape[3] for part in parts)), 0.05, 0)
        table = options("ConcatenationOptions", Axis=3, FusedActivationFunction=0)
        self.writer.op("CONCATENATION", [part.index for part in same], [out.index], table)

    def flatten_to(self, classes: int) -> None:
        """From a map to the probabilities of some classes."""
        _, h, w, c = self.now.shape
        self._reshape((1, h * w * c))
        self._dense(classes)
        source, out = self.now, self.output(self.now.shape, 1 / 256, -128)
        self.writer.op("SOFTMAX", [source.index], [out.index], options("SoftmaxOptions", Beta=1.0))

    def _dense_tail(self) -> None:
        for _ in range(int(self.random.integers(0, 3))):
            self._dense(int(self.random.integers(1, 7)))
        # LiteRT itself aborts on a softmax over many values that are all but equal.
        if self.random.random() < 0.5 and self.now.shape[1] < 20 and self.now.scale > 1e-3:
            source, out = self.now, self.output(self.now.shape, 1 / 256, -128)
            beta = float(self.random.choice([1.0, 1.0, 0.3]))
            self.writer.op("SOFTMAX", [source.index], [out.index], options("SoftmaxOptions", Beta=beta))

    def reduce(self, kind: str, axes: tuple[int, ...] | None = None, *, keep: bool | None = None) -> None:
        """MEAN or REDUCE_MAX over some axes of a map; height and width unless they are said."""
        axes = (1, 2) if axes is None else axes
        keep = bool(self.random.random() < 0.5) if keep is None else keep
        gone = {axis % 4 for axis in axes}
        shape = tuple(1 if d in gone else n for d, n in enumerate(self.now.shape) if keep or d not in gone)
        source = self.now
        scale, zero_point = source.scale, source.zero_point
        if kind == "MEAN" and self.random.random() < 0.7:
            scale, zero_point = float(np.float32(scale * self.random.uniform(0.5, 1.5))), 3
        out = self.output(shape, scale, zero_point)
        index = self.writer.tensor((len(axes),), dtype="INT32", data=np.array(axes))
        self.writer.op(kind, [source.index, index], [out.index], options("ReducerOptions", KeepDims=keep))

    def _dense(self, units: int, rows: int = 1) -> None:
        size = self.now.shape[1]
        weights, bias, scales = self._weights((units, size), 0, size, per_tensor=bool(self.random.random() < 0.6))
        source, out = self.now, self.output((rows, units), *self._output_quantization(scales))
        activation = self._activation()
        self.writer.op(
            "FULLY_CONNECTED",
            [i for i in (source.index, weights, bias) if i >= 0],
            [out.index],
            options("FullyConnectedOptions", FusedActivationFunction=activation),
        )

    # --- helpers ---

    def _activation(self) -> int:
        return int(self.random.choice(list(ACTIVATIONS.values())))

    def _window(
        self, h: int, w: int, kernel: int | None, stride: int | None, *, dilate: bool, square: bool = False
    ) -> tuple[int, ...]:
        kh, kw = (int(k) for k in self.random.choice([1, 2, 3, 3, 3, 5], 2)) if kernel is None else (kernel, kernel)
        sh, sw = (int(s) for s in self.random.choice([1, 1, 2, 3], 2)) if stride is None else (stride, stride)
        dh = dw = 1
        if dilate and kernel is None and self.random.random() < 0.3:
            dh, dw = int(self.random.integers(1, 3)), int(self.random.integers(1, 3))
            sh = sw = 1
        if square:
            kw, sw, dw = kh, sh, dh
        same = bool(self.random.random() < 0.6)
        if (kh - 1) * dh + 1 > h or (kw - 1) * dw + 1 > w:
            same = True
        oh = -(-h // sh) if same else -(-(h - (kh - 1) * dh) // sh)
        ow = -(-w // sw) if same else -(-(w - (kw - 1) * dw) // sw)
        return kh, kw, 0 if same else 1, sh, sw, dh, dw, oh, ow

    def _weights(
        self, shape: tuple[int, ...], axis: int, taps: int, *, per_tensor: bool | None = None
    ) -> tuple[int, int, np.ndarray]:
        """(weights tensor, bias tensor or -1, scales)."""
        per_tensor = bool(self.random.random() < 0.3) if per_tensor is None else per_tensor
        per_tensor |= self.dtype == "UINT8"
        channels = shape[axis]
        count = 1 if per_tensor else channels
        scales = (10 ** self.random.uniform(-3.5, -1.5) * self.random.uniform(0.2, 2.0, count)).astype(np.float32)
        data = self.random.integers(-128 if self.dtype == "UINT8" or self.random.random() < 0.2 else -127, 128, shape)
        if self.dead_channels:
            index: list[Any] = [slice(None)] * len(shape)
            index[axis] = self.random.random(channels) < 0.5
            data[tuple(index)] = 0
        if self.dtype == "UINT8":
            zero_point = int(self.random.choice([128, 128, 0, 255, int(self.random.integers(256))]))
            weights = self.writer.tensor(
                shape, dtype="UINT8", scale=scales.tolist(), zero_point=zero_point, data=data + 128
            )
        else:
            weights = self.writer.tensor(shape, scale=scales.tolist(), data=data, axis=axis if count > 1 else 0)
        if axis == 3 and self.random.random() < 0.15:  # LiteRT's int8 CONV_2D wants a bias
            return weights, -1, scales
        spread = 127 * 60 * np.sqrt(taps)
        bias = self.random.normal(0, spread, channels)
        bias_scales = (scales * np.float32(self.now.scale)).tolist()
        return weights, self.writer.tensor((channels,), dtype="INT32", scale=bias_scales, data=bias), scales

    def _output_quantization(self, scales: np.ndarray) -> tuple[float, int | None]:
        """An output scale that makes most multipliers ordinary ones, and now and then an extreme."""
        real = 2.0 ** self.random.uniform(-12, -4)
        if self.random.random() < 0.15:
            real = 2.0 ** self.random.uniform(-34, 2)
        return float(np.float32(self.now.scale * float(scales.max()) / real)), None


def random_model(seed: int, *, dead_channels: bool = False) -> bytes:
    """A random model of one to six operators and a tail."""
    random = np.random.default_rng(seed)
    height, width = (int(n) for n in random.integers(1, 14, 2))
    model = RandomModel(random, height, width, int(random.choice([1, 1, 3, 3, 2, 5])))
    model.dead_channels = dead_channels
    steps = [model.conv, model.pointwise, model.depthwise, model.depthwise, model.pool, model.pad, model.requantize]
    for _ in range(int(random.integers(1, 7))):
        chosen = int(random.integers(len(steps) + 2))
        if chosen < len(steps):
            steps[chosen]()
        elif chosen == len(steps) and sum(t.shape == model.now.shape for t in model.history) > 1:
            model.add()
        else:
            model.pointwise()
    if random.random() < 0.15:
        model.reshape()
    if random.random() < 0.8:
        model.tail()
    return model.finish()


def varied_model(seed: int) -> bytes:
    """A random model in which the operators beside convolutions come often."""
    random = np.random.default_rng(seed)
    height, width = (int(n) for n in random.integers(1, 12, 2))
    model = RandomModel(random, height, width, int(random.choice([1, 3, 3, 4])))
    steps = [
        model.unary,
        model.binary,
        model.clip,
        model.excite,
        model.softmax_map,
        model.dense_on_map,
        model.conv,
        model.pointwise,
    ]
    for _ in range(int(random.integers(2, 7))):
        steps[int(random.integers(len(steps)))]()
    if random.random() < 0.4:
        model.tail()
    return model.finish()


def moved_model(seed: int) -> bytes:
    """A random model of the operators that move values, between convolutions."""
    random = np.random.default_rng(seed)
    height, width = (int(n) for n in random.integers(2, 12, 2))
    model = RandomModel(random, height, width, int(random.choice([1, 3, 3, 4])))
    steps = [
        model.concatenate,
        model.slice,
        model.strided_slice,
        model.split,
        model.mirror_pad,
        model.pad_with,
        model.resize,
        model.blocks,
        model.transpose,
        model.grouped,
        model.conv,
        model.pointwise,
        model.depthwise,
    ]
    for _ in range(int(random.integers(2, 8))):
        steps[int(random.integers(len(steps)))]()
    if random.random() < 0.3:
        model.reduce("REDUCE_MAX")
    elif random.random() < 0.4:
        model.tail()
    if random.random() < 0.3:
        model.arg_max()
    return model.finish()


def unsigned_model(seed: int) -> bytes:
    """A random uint8 model, as TensorFlow 1 made them."""
    random = np.random.default_rng(seed)
    height, width = (int(n) for n in random.integers(2, 12, 2))
    model = RandomModel(random, height, width, int(random.choice([1, 3, 3, 4])), "UINT8")
    layers = [model.conv, model.pointwise, model.depthwise, model.pool, model.pad, model.add, model.requantize]
    others = [model.unary, model.binary, model.clip, model.excite, model.dense_on_map, model.concatenate]
    for _ in range(int(random.integers(1, 6))):
        steps = others if random.random() < 0.3 else layers
        steps[int(random.integers(len(steps)))]()
    model.tail()
    return model.finish()


def small_mobilenet(*, channels: int = 1, seed: int = 5) -> bytes:
    """A MobileNet in small: a strided convolution, separable layers, mean, dense, softmax."""
    random = np.random.default_rng(seed)
    model = RandomModel(random, 24, 24, channels)
    model.layer(8, 3, 2)
    for out, stride in ((12, 1), (16, 2), (16, 1), (24, 2)):
        model.separable(out, stride)
    model.tail()
    return model.finish()


class _Gentle(RandomModel):
    """Without extreme scales: what the input says reaches the output."""

    def quantization(self) -> tuple[float, int]:
        return float(np.float32(self.random.uniform(0.02, 0.03))), int(self.random.integers(-20, 20))


def model_of_many_operators() -> bytes:
    """A model of three classes with nearly all operators that no MobileNet has: 24 x 24 pixels in RGB."""
    model = _Gentle(np.random.default_rng(21), 24, 24, 3)
    steps: tuple[Callable[[], None], ...] = (
        *(partial(model.unary, kind) for kind in ("LEAKY_RELU", "HARD_SWISH", "TANH")),
        *(partial(model.binary, kind) for kind in ("PRELU", "MUL", "SUB", "ADD")),
        *(partial(model.clip, kind) for kind in ("MINIMUM", "MAXIMUM")),
        *(partial(model.resize, kind) for kind in ("RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR")),
        *(partial(model.blocks, kind) for kind in ("SPACE_TO_DEPTH", "DEPTH_TO_SPACE")),
        *(model.mirror_pad, model.grouped, model.excite, model.pad_with, model.concatenate, model.split),
        *(model.strided_slice, model.pad, model.slice, model.transpose, model.dense_on_map, model.softmax_map),
    )
    model.conv(kernel=3, stride=2)
    base, ends = model.now, []
    for step in steps:
        model.now = base
        step()
        model.reduce("REDUCE_MAX", (1,), keep=True)
        model.reduce("MEAN", (1, 2), keep=True)
        ends.append(model.now)
    model.join(ends)
    model.flatten_to(3)
    return model.finish()
