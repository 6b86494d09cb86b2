"""Random models that compute a picture in overlapping strips of rows, as exporters do that save memory."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass

import numpy as np

from tests.support.random_models import RandomModel, Tensor
from tests.support.tflite_writer import options

VALID = 1


@dataclass(frozen=True)
class _Layer:
    """A convolution or pool of every strip; ``above`` and ``below`` are rows of padding around the whole."""

    kernel: int
    stride: int
    above: int
    below: int
    channels: int
    weights: tuple[int, int] | None
    scale: float
    zero_point: int

    def rows(self, height: int) -> int:
        return (height + self.above + self.below - self.kernel) // self.stride + 1

    def reads(self, begin: int, end: int) -> tuple[int, int]:
        """The rows below and above the picture's edges count as negative, or beyond its height."""
        return begin * self.stride - self.above, (end - 1) * self.stride + self.kernel - self.above


class TiledModel(RandomModel):
    """``strips`` is how many strips the picture was cut into."""

    strips = 0

    def tiles(self, *, odd: bool = False) -> None:
        """Some layers on overlapping strips, which are joined afterwards; ``odd`` ones are no strips of one picture."""
        source = self.now
        layers, heights = self._layers()
        inner = self.random.permutation(np.arange(1, heights[-1]))[: int(self.random.integers(1, 4))]
        cuts = [0, *sorted(inner.tolist()), heights[-1]]
        self.strips = len(cuts) - 1
        ends = []
        for number, (begin, end) in enumerate(itertools.pairwise(cuts)):
            if odd and number == 1:
                layers = self._other_weights(source, layers)
            ends.append(self._strip(source, layers, heights, begin, end))
        self._join(ends, heights[-1])

    def _layers(self) -> tuple[list[_Layer], list[int]]:
        source, layers, heights = self.now, list[_Layer](), [self.now.shape[1]]
        channels, now = source.shape[3], source
        for _ in range(int(self.random.integers(1, 4))):
            kernel, stride = int(self.random.integers(1, 5)), int(self.random.choice([1, 1, 2]))
            above, below = (int(n) for n in self.random.integers(0, kernel, 2))
            if self.random.random() < 0.3:
                layer = _Layer(kernel, stride, 0, 0, channels, None, now.scale, now.zero_point)
            else:
                layer = self._convolution(now, kernel, stride, above, below)
            if layer.rows(heights[-1]) < 2:
                break
            layers.append(layer)
            heights.append(layer.rows(heights[-1]))
            channels = layer.channels
            now = Tensor(-1, (1, heights[-1], source.shape[2], channels), layer.scale, layer.zero_point)
        if not layers:
            layers, heights = [self._convolution(source, 1, 1, 0, 0)], [heights[0], heights[0]]
        return layers, heights

    def _convolution(self, source: Tensor, kernel: int, stride: int, above: int, below: int) -> _Layer:
        self.now = source
        channels = int(self.random.integers(1, 7))
        weights, bias, scales = self._weights((channels, kernel, 1, source.shape[3]), 0, kernel * source.shape[3])
        scale, zero_point = self._output_quantization(scales)
        drawn = self.quantization()[1] if zero_point is None else zero_point
        return _Layer(kernel, stride, above, below, channels, (weights, bias), scale, drawn)

    def _other_weights(self, source: Tensor, layers: list[_Layer]) -> list[_Layer]:
        """The last convolution's with other weights."""
        for at in reversed(range(len(layers))):
            old = layers[at]
            if old.weights is not None:
                given = layers[at - 1].channels if at else source.shape[3]
                shape = (old.channels, old.kernel, 1, given)
                weights, bias, _ = self._weights(shape, 0, old.kernel * given)
                return [*layers[:at], dataclasses.replace(old, weights=(weights, bias)), *layers[at + 1 :]]
        return layers

    def _strip(self, source: Tensor, layers: list[_Layer], heights: list[int], begin: int, end: int) -> Tensor:
        """The output rows [begin, end)."""
        steps = []
        for layer, height in zip(reversed(layers), reversed(heights[:-1]), strict=True):
            low, high = layer.reads(begin, end)
            steps.append((layer, max(-low, 0), max(high - height, 0)))
            begin, end = max(low, 0), min(high, height)
        self.now = source
        _, _, width, channels = source.shape
        box = [np.array([0, begin, 0, 0]), np.array([1, end, width, channels]), np.ones(4, np.int64)]
        self.moved("STRIDED_SLICE", (1, end - begin, width, channels), box, options("StridedSliceOptions"))
        for layer, above, below in reversed(steps):
            if above or below:
                self.pad_rows(above, below)
            self._apply(layer)
        return self.now

    def pad_rows(self, above: int, below: int) -> None:
        """Rows of zero points."""
        given = self.now
        amounts = self.writer.tensor((4, 2), dtype="INT32", data=np.array([[0, 0], [above, below], [0, 0], [0, 0]]))
        shape = (1, given.shape[1] + above + below, *given.shape[2:])
        out = self.output(shape, given.scale, given.zero_point)
        self.writer.op("PAD", [given.index, amounts], [out.index], options("PadOptions"))

    def _apply(self, layer: _Layer) -> None:
        given = self.now
        width = -(-given.shape[2] // layer.stride)
        shape = (1, (given.shape[1] - layer.kernel) // layer.stride + 1, width, layer.channels)
        out = self.output(shape, layer.scale, layer.zero_point)
        stride = {"Padding": VALID, "StrideH": layer.stride, "StrideW": layer.stride}
        if layer.weights is None:
            table = options("Pool2DOptions", FilterHeight=layer.kernel, FilterWidth=1, **stride)
            self.writer.op("MAX_POOL_2D", [given.index], [out.index], table)
        else:
            table = options("Conv2DOptions", DilationHFactor=1, DilationWFactor=1, **stride)
            self.writer.op("CONV_2D", [given.index, *layer.weights], [out.index], table)

    def _join(self, strips: list[Tensor], height: int) -> None:
        _, _, width, channels = strips[0].shape
        out = self.output((1, height, width, channels), strips[0].scale, strips[0].zero_point)
        table = options("ConcatenationOptions", Axis=1, FusedActivationFunction=0)
        self.writer.op("CONCATENATION", [one.index for one in strips], [out.index], table)


def tiled_model(seed: int) -> TiledModel:
    """A random model with strips, complete but for :meth:`RandomModel.finish`; each fourth has odd ones."""
    random = np.random.default_rng(seed)
    height, width = int(random.integers(6, 24)), int(random.integers(1, 9))
    model = TiledModel(random, height, width, int(random.choice([1, 1, 3])))
    if random.random() < 0.3:
        model.pointwise()
    if random.random() < 0.4:
        model.pad_rows(1, 1)
    model.tiles(odd=seed % 4 == 3)
    if random.random() < 0.5:
        model.tail()
    return model


def tall_model(seed: int) -> bytes:
    """Convolutions of many rows, one behind the other: the first row of the last needs much of the picture."""
    model = RandomModel(np.random.default_rng(seed), 96, 12, 1)
    for kernel, stride in ((4, 2), (4, 1), (4, 1), (2, 2), (4, 1), (4, 1), (2, 2)):
        model.layer(8, kernel, stride)
    model.layer(12, 3, 2)
    model.tail()
    return model.finish()
