"""Odd but legal models: every operator, with scales, shapes and options that no converter writes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.support.random_models import UNARY, RandomModel, Tensor
from tests.support.tflite_writer import Options, options

MOST_VALUES = 4_000
"""Of a tensor: a campaign has many models."""


class OddModel(RandomModel):
    """``wild`` is how often a scale is an extreme one."""

    wild = 0.3

    def quantization(self) -> tuple[float, int]:
        scale, zero_point = super().quantization()
        if self.random.random() < self.wild:
            scale = float(np.float32(10 ** self.random.uniform(-12, 8)))
        if self.random.random() < self.wild / 10:
            scale = float(self.random.choice(np.array([1e-45, 1.2e-38, 3e38, 1.0, 2.0**-31, 1 / 3], np.float32)))
        return scale, zero_point

    def stretch(self, scale: float) -> float:
        """A scale near another, or far from it."""
        power = self.random.uniform(-36, 34) if self.random.random() < self.wild else self.random.uniform(-3, 3)
        return float(np.float32(np.clip(scale * 2.0**power, 1e-38, 3e38)))

    def shaped(self, shape: tuple[int, ...], *, same: bool = False) -> tuple[Tensor, Tensor]:
        """The current tensor and one behind it: of the same scale, or another."""
        source = self.now
        if same:
            return source, self.output(shape, source.scale, source.zero_point)
        return source, self.output(shape, self.stretch(source.scale))

    def numbers(self, values: object, *, wide: bool = False) -> int:
        """A constant of whole numbers, of 32 or 64 bits."""
        data = np.array(values)
        return self.writer.tensor(data.shape, dtype="INT64" if wide else "INT32", data=data)

    # --- what the parent draws, drawn wider ---

    def _activation(self) -> int:
        return int(self.random.choice([0, 0, 1, 2, 3]))

    def _window(
        self, h: int, w: int, kernel: int | None, stride: int | None, *, dilate: bool, square: bool = False
    ) -> tuple[int, ...]:
        if kernel is not None or self.random.random() < 0.4:
            return super()._window(h, w, kernel, stride, dilate=dilate, square=square)
        kh, kw = (int(n) for n in self.random.integers(1, 8, 2))
        sh, sw = (int(n) for n in self.random.choice([1, 1, 2, 4, 7, 20], 2))
        dh, dw = (int(n) for n in self.random.choice([1, 1, 2, 5], 2)) if dilate else (1, 1)
        reach = (kh - 1) * dh + 1, (kw - 1) * dw + 1
        same = bool(reach[0] > h or reach[1] > w or self.random.random() < 0.5)
        oh, ow = (-(-(n if same else n - r + 1) // s) for n, r, s in zip((h, w), reach, (sh, sw), strict=True))
        return kh, kw, 0 if same else 1, sh, sw, dh, dw, oh, ow

    def _weights(
        self, shape: tuple[int, ...], axis: int, taps: int, *, per_tensor: bool | None = None
    ) -> tuple[int, int, np.ndarray]:
        weights, bias, scales = super()._weights(shape, axis, taps, per_tensor=per_tensor)
        if self.random.random() < self.wild and self.dtype == "INT8":
            scales = np.clip(scales * np.exp2(self.random.uniform(-30, 30, scales.size)), 1e-38, 1e38).astype(
                np.float32
            )
            self.writer.tensors[weights]["scales"] = scales
            if bias >= 0:
                self.writer.tensors[bias]["scales"] = np.minimum(scales * float(self.now.scale), 1e38).astype(
                    np.float32
                )
        kind = self.random.random()
        if kind < 0.1 and self.dtype == "INT8":
            self.writer.tensors[weights]["data"] = np.full(shape, self.random.choice([-128, 127, 0]), np.int8)
        if bias >= 0 and kind > 0.85:
            ends = np.array([-(2**31), 2**31 - 1, 0, -1, 2**30], np.int64)
            self.writer.tensors[bias]["data"] = self.random.choice(ends, shape[axis]).astype(np.int32)
        return weights, bias, scales

    def _output_quantization(self, scales: np.ndarray) -> tuple[float, int | None]:
        real = 2.0 ** self.random.uniform(-12, -4)
        if self.random.random() < self.wild:
            real = 2.0 ** self.random.uniform(-40, 20)
        return float(np.float32(np.clip(self.now.scale * float(scales.max()) / real, 1e-38, 3e38))), None

    # --- operators with options and shapes of their own ---

    def odd_unary(self) -> None:
        """A table of any scales; slopes that are negative or large."""
        kind = str(self.random.choice(UNARY))
        scale, zero_point = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}.get(kind, (None, None))
        source = self.now
        out = self.output(source.shape, self.stretch(source.scale) if scale is None else scale, zero_point)
        table = None
        if kind == "LEAKY_RELU":
            table = options("LeakyReluOptions", Alpha=float(self.random.choice([0, 1, -0.5, 3, 1e-6, 100, 0.3])))
        self.writer.op(kind, [source.index], [out.index], table)

    def odd_requantize(self) -> None:
        source, out = self.shaped(self.now.shape)
        self.writer.op("QUANTIZE", [source.index], [out.index], None)

    def odd_binary(self) -> None:
        """Arithmetic of any scales, with a constant or with an earlier tensor, repeated where it is smaller."""
        kind = str(self.random.choice(["ADD", "SUB", "MUL", "PRELU"]))
        _, h, w, c = self.now.shape
        shapes = [(), (1,), (c,), (1, 1, 1, c), (1, 1, w, 1), (w, 1), (h, 1, c), (1, h, w, 1), (1, h, w, c)]
        shape = shapes[int(self.random.integers(len(shapes)))]
        source = self.now
        others = [t for t in self.history if self._fits(t.shape, source.shape)]
        if kind != "PRELU" and self.random.random() < 0.5:
            other = others[int(self.random.integers(len(others)))].index
        else:
            data = self.random.integers(-128, 128, shape)
            zero_point = int(self.random.integers(-128, 128))
            other = self.writer.tensor(shape, scale=self.stretch(source.scale), zero_point=zero_point, data=data)
        out = self.output(source.shape, self.stretch(source.scale))
        pair = [source.index, other]
        if kind != "PRELU" and self.random.random() < 0.5:
            pair.reverse()
        table = None
        if kind != "PRELU" and self.random.random() < 0.8:
            table = options(f"{kind.capitalize()}Options", FusedActivationFunction=self._activation())
        self.writer.op(kind, pair, [out.index], table)

    @staticmethod
    def _fits(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
        return len(shape) == len(wanted) and all(a in (1, b) for a, b in zip(shape, wanted, strict=True))

    def odd_mean(self) -> None:
        """MEAN over one axis or two, said in any way."""
        axes = [[1], [2], [1, 2], [-2, -3], [2, 1], [1, 1, 2], [2, -2]][int(self.random.integers(7))]
        reduced = {axis % 4 for axis in axes}
        shape = tuple(1 if d in reduced else size for d, size in enumerate(self.now.shape))
        source, out = self.shaped(shape, same=bool(self.random.random() < 0.3))
        self.writer.op(
            "MEAN", [source.index, self.numbers(axes)], [out.index], options("ReducerOptions", KeepDims=True)
        )

    def odd_maximum(self) -> None:
        """REDUCE_MAX over any axes."""
        axes = [[1, 2], [2, 1], [-3, -2], [1, 2, 1], [1]][int(self.random.integers(5))]
        reduced = {axis % 4 for axis in axes}
        shape = tuple(1 if d in reduced else size for d, size in enumerate(self.now.shape))
        self.moved("REDUCE_MAX", shape, [np.array(axes)], options("ReducerOptions", KeepDims=True))

    def odd_softmax(self) -> None:
        """SOFTMAX of any sharpness."""
        source = self.now
        out = self.output(source.shape, 1 / 256, -128)
        beta = float(self.random.choice([1.0, 1e-3, 0.1, 7.0, 1e4, 1e-9]))
        self.writer.op("SOFTMAX", [source.index], [out.index], options("SoftmaxOptions", Beta=beta))

    def odd_slice(self) -> None:
        """STRIDED_SLICE with ends far outside, from behind, or of nothing but one row."""
        full = np.array(self.now.shape)
        far = int(self.random.choice([1, 5, 1000]))
        begin, end = (self.random.integers(-full - far, full + far + 1) for _ in range(2))
        step = self.random.choice([1, 1, 2, -1, -3, 100], 4)
        masks = [int(self.random.integers(16)) for _ in range(2)]
        masks = [masks[0] | 1, masks[1] | 1]
        step[0] = 1
        picked = [
            range(int(n))[slice(None if masks[0] >> d & 1 else int(b), None if masks[1] >> d & 1 else int(e), int(s))]
            for d, (n, b, e, s) in enumerate(zip(full, begin, end, step, strict=True))
        ]
        shape = tuple(len(one) for one in picked)
        if min(shape) < 1:
            return
        table = options("StridedSliceOptions", BeginMask=masks[0], EndMask=masks[1])
        self.moved("STRIDED_SLICE", shape, [begin, end, step], table)

    def split_v(self) -> None:
        """SPLIT_V into parts of different sizes, one of them said to be the rest."""
        axis = int(self.random.integers(1, 4))
        size = self.now.shape[axis]
        first = int(self.random.integers(1, size + 1))
        sizes = [first, size - first] if first < size else [size]
        given = list(sizes)
        if self.random.random() < 0.4:
            given[int(self.random.integers(len(given)))] = -1
        source = self.now
        outs = []
        for part in sizes:
            shape = list(source.shape)
            shape[axis] = part
            outs.append(self.output(tuple(shape), source.scale, source.zero_point))
        where = self.numbers(axis - 4 * int(self.random.integers(2)))
        self.writer.op(
            "SPLIT_V",
            [source.index, self.numbers(given), where],
            [out.index for out in outs],
            options("SplitVOptions", NumSplits=len(sizes)),
        )
        self.now = outs[int(self.random.integers(len(outs)))]

    def squeezed(self) -> None:
        """There and back by SQUEEZE or RESHAPE, EXPAND_DIMS and RESHAPE, with a size that is left open."""
        _, h, w, c = shape = self.now.shape
        source, thin = self.shaped((1, h * w, c), same=True)
        if h == 1 and self.random.random() < 0.5:
            self.writer.op("SQUEEZE", [source.index], [thin.index], options("SqueezeOptions"))
        else:
            self.writer.op("RESHAPE", [source.index, self.numbers([1, -1, c])], [thin.index], None)
        wide = self.output((1, 1, h * w, c), source.scale, source.zero_point)
        axis = self.numbers(int(self.random.choice([1, -3])))
        self.writer.op("EXPAND_DIMS", [thin.index, axis], [wide.index], self.maybe("ExpandDims"))
        back = self.output(shape, source.scale, source.zero_point)
        self.writer.op("RESHAPE", [wide.index, self.numbers([1, -1, w, c])], [back.index], None)

    def odd_dense(self) -> None:
        """FULLY_CONNECTED over the channels, keeping the dimensions before."""
        _, h, w, c = self.now.shape
        units = int(self.random.integers(1, 6))
        weights, bias, scales = self._weights((units, c), 0, c)
        source, out = self.now, self.output((1, h, w, units), *self._output_quantization(scales))
        table = options("FullyConnectedOptions", FusedActivationFunction=self._activation(), KeepNumDims=True)
        inputs = [i for i in (source.index, weights, bias) if i >= 0]
        self.writer.op("FULLY_CONNECTED", inputs, [out.index], table)

    def odd_pad(self) -> None:
        """PAD or PADV2 by much, amounts of 32 or 64 bits."""
        amounts = self.random.integers(0, int(self.random.choice([2, 4, 9])), (4, 2))
        amounts[0] = 0
        shape = tuple(int(n + pair.sum()) for n, pair in zip(self.now.shape, amounts, strict=True))
        source, out = self.shaped(shape, same=True)
        inputs = [source.index, self.numbers(amounts, wide=bool(self.random.random() < 0.3))]
        if self.random.random() < 0.5:
            self.writer.op("PAD", inputs, [out.index], None)
            return
        value = self.random.integers(-128, 128, (1,))
        inputs.append(self.writer.tensor((1,), scale=source.scale, zero_point=source.zero_point, data=value))
        self.writer.op("PADV2", inputs, [out.index], None)

    def odd_resize(self) -> None:
        """RESIZE to anything, from one pixel too."""
        _, _, _, c = self.now.shape
        kind = str(self.random.choice(["RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR"]))
        size = self.random.integers(1, 20, 2)
        corners, centers = ((False, False), (True, False), (False, True))[int(self.random.integers(3))]
        name = "ResizeNearestNeighborOptions" if kind == "RESIZE_NEAREST_NEIGHBOR" else "ResizeBilinearOptions"
        table = options(name, AlignCorners=corners, HalfPixelCenters=centers)
        self.moved(kind, (1, *size.tolist(), c), [size], table)

    def odd_transpose(self) -> None:
        """TRANSPOSE and what follows at once: nothing, or another one."""
        for _ in range(int(self.random.integers(1, 3))):
            order = [0, *(1 + self.random.permutation(3)).tolist()]
            self.moved("TRANSPOSE", tuple(self.now.shape[d] for d in order), [np.array(order)], self.maybe("Transpose"))

    def maybe(self, name: str) -> Options | None:
        """Options without a field, or none."""
        return options(f"{name}Options") if self.random.random() < 0.7 else None

    def odd_concatenation(self) -> None:
        """Of a tensor and itself, up to four times, along any axis."""
        axis, times = int(self.random.integers(1, 4)), int(self.random.integers(1, 5))
        shape = list(self.now.shape)
        shape[axis] *= times
        source, out = self.shaped(tuple(shape), same=True)
        table = options("ConcatenationOptions", Axis=axis - 4 * int(self.random.integers(2)))
        self.writer.op("CONCATENATION", [source.index] * times, [out.index], table)


def odd_model(seed: int) -> bytes:
    """One model; every operator that can be compiled comes up among some hundred seeds."""
    random = np.random.default_rng([seed, 21])
    height, width = (int(n) for n in random.choice([1, 1, 2, 3, 5, 8, 13, 17], 2))
    dtype = "UINT8" if random.random() < 0.1 else "INT8"
    model = OddModel(random, height, width, int(random.choice([1, 1, 2, 3, 4, 5, 8, 17])), dtype)
    model.wild = float(random.choice([0.0, 0.05, 0.3]))
    model.dead_channels = bool(random.random() < 0.3)
    steps: list[Callable[[], None]] = [
        *(model.conv, model.pointwise, model.depthwise, model.grouped, model.pool, model.pad, model.add),
        *(model.requantize, model.concatenate, model.slice, model.strided_slice, model.split, model.reshape),
        *(model.odd_requantize, model.odd_pad, model.odd_transpose, model.odd_concatenation, model.odd_slice),
    ]
    if dtype == "INT8":
        steps += [
            *(model.odd_unary, model.odd_binary, model.odd_mean, model.odd_maximum, model.odd_softmax, model.split_v),
            *(model.squeezed, model.odd_dense, model.odd_resize, model.mirror_pad, model.pad_with, model.blocks),
            *(model.unary, model.binary, model.excite, model.softmax_map, model.dense_on_map, model.transpose),
        ]
    for _ in range(int(random.integers(1, 7))):
        if int(np.prod(model.now.shape)) < MOST_VALUES and len(model.now.shape) == 4:
            steps[int(random.integers(len(steps)))]()
    if not model.writer.operators:
        model.pool()
    if random.random() < 0.3 and int(np.prod(model.now.shape)) < MOST_VALUES:
        model.flatten() if dtype == "UINT8" else model.tail()
    return model.finish()
