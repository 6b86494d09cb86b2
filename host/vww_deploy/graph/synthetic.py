"""MobileNet v1 as an int8 graph with made-up weights: to plan its memory before anybody has trained it."""

from __future__ import annotations

import hashlib

import numpy as np

from vww_deploy.graph.costs import BLOCKS, KERNEL, STEM_CHANNELS, NetworkCost, scaled
from vww_deploy.graph.ir import Activation, Graph, Op, Padding, Quantization, Requantization, Window
from vww_deploy.graph.operators.conv2d import Conv2D
from vww_deploy.graph.operators.depthwise_conv2d import DepthwiseConv2D
from vww_deploy.graph.operators.fully_connected import FullyConnected
from vww_deploy.graph.operators.mean import Mean
from vww_deploy.graph.operators.softmax import Softmax

_PIXELS = Quantization(1 / 128, 0)
_RELU6 = Quantization(6 / 255, -128)
_PROBABILITIES = Quantization(1 / 256, -128)
_HALF = 1 << 30  # a multiplier of one half


def mobilenet_v1_graph(network: NetworkCost) -> Graph:
    """The network as TensorFlow Lite would write it: same operators, shapes and padding, random weights.

    Its memory plan, flash and arithmetic are those of the trained network; what it computes means nothing.
    """
    builder = _Builder(network)
    builder.convolution(scaled(STEM_CHANNELS, network.depth_multiplier), KERNEL, 2)
    for filters, stride in BLOCKS:
        builder.depthwise(stride)
        builder.convolution(scaled(filters, network.depth_multiplier), 1, 1)
    return builder.finish()


class _Builder:
    def __init__(self, network: NetworkCost) -> None:
        self._network = network
        self._rng = np.random.default_rng(0)
        self._activations: list[Activation] = []
        self._ops: list[Op] = []
        self._add(network.height, network.width, network.channels, _PIXELS)

    def convolution(self, channels: int, kernel: int, stride: int) -> None:
        source = self._activations[-1]
        window, height, width = _same(source, kernel, stride)
        weights = self._weights((channels, kernel, kernel, source.channels))
        output = self._add(height, width, channels, _RELU6)
        self._ops.append(
            Conv2D(len(self._ops), "CONV_2D", (source.id,), output.id, weights, self._scaling(channels), window)
        )

    def depthwise(self, stride: int) -> None:
        source = self._activations[-1]
        window, height, width = _same(source, KERNEL, stride)
        weights = self._weights((KERNEL, KERNEL, source.channels))
        output = self._add(height, width, source.channels, _RELU6)
        scaling = self._scaling(source.channels)
        self._ops.append(
            DepthwiseConv2D(len(self._ops), "DEPTHWISE_CONV_2D", (source.id,), output.id, weights, scaling, window, 1)
        )

    def finish(self) -> Graph:
        source, classes = self._activations[-1], self._network.classes
        mean = self._add(1, 1, source.channels, _RELU6)
        self._ops.append(Mean(len(self._ops), "MEAN", (source.id,), mean.id, (0, 1), _HALF, 0))
        scores = self._add(1, 1, classes, Quantization(1 / 16, 0))
        weights = self._weights((classes, source.channels))
        scaling = self._scaling(classes)
        self._ops.append(FullyConnected(len(self._ops), "FULLY_CONNECTED", (mean.id,), scores.id, weights, scaling))
        output = self._add(1, 1, classes, _PROBABILITIES)
        self._ops.append(Softmax(len(self._ops), "SOFTMAX", (scores.id,), output.id, 1.0))
        one = self._network
        name = f"mobilenet_v1_{one.depth_multiplier:g}_{one.height}x{one.width}x{one.channels}"
        return Graph(
            name=name,
            sha256=hashlib.sha256(name.encode()).hexdigest(),
            tflite=b"",
            activations={activation.id: activation for activation in self._activations},
            ops=tuple(self._ops),
            input=0,
            output=output.id,
        )

    def _add(self, height: int, width: int, channels: int, quantization: Quantization) -> Activation:
        number = len(self._activations)
        name = f"tensor{number}"
        self._activations.append(
            Activation(number, name, height, width, channels, quantization, number, (None, 0, 1, 2))
        )
        return self._activations[-1]

    def _weights(self, shape: tuple[int, ...]) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
        return self._rng.integers(-127, 128, shape, dtype=np.int8)

    def _scaling(self, channels: int) -> Requantization:
        return Requantization(
            bias=self._rng.integers(-1000, 1000, channels, dtype=np.int32),
            multiplier=self._rng.integers(_HALF, 2 * _HALF - 1, channels, dtype=np.int32),
            shift=np.full(channels, -8, np.int32),
        )


def _same(source: Activation, kernel: int, stride: int) -> tuple[Window, int, int]:
    """TensorFlow's SAME padding: the odd row and column at the bottom and right."""
    sides = [(-(-side // stride), side) for side in (source.height, source.width)]
    total = [max(0, (out - 1) * stride + kernel - side) for out, side in sides]
    (top, left) = (one // 2 for one in total)
    padding = Padding(top, left, total[0] - top, total[1] - left)
    return Window((kernel, kernel), (stride, stride), padding=padding), sides[0][0], sides[1][0]
