"""An architecture as an int8 graph with made-up weights: to know what it costs before anybody has trained it."""

from __future__ import annotations

import hashlib

import numpy as np

from vww_deploy.graph.architecture import Architecture, Convolution
from vww_deploy.graph.costs import NetworkCost
from vww_deploy.graph.geometry import Padding, Window
from vww_deploy.graph.ir import Activation, Graph, Op, Quantization, Requantization
from vww_deploy.graph.operators.add import Add
from vww_deploy.graph.operators.conv2d import Conv2D
from vww_deploy.graph.operators.depthwise_conv2d import DepthwiseConv2D
from vww_deploy.graph.operators.fully_connected import FullyConnected
from vww_deploy.graph.operators.mean import Mean
from vww_deploy.graph.operators.softmax import Softmax

_PIXELS = Quantization(1 / 128, 0)
_RELU6 = Quantization(6 / 255, -128)
_LINEAR = Quantization(1 / 16, 0)
_PROBABILITIES = Quantization(1 / 256, -128)
_HALF = 1 << 30  # a multiplier of one half


def mobilenet_v1_graph(network: NetworkCost) -> Graph:
    """MobileNet v1; see :func:`architecture_graph`."""
    one = network
    architecture = Architecture.mobilenet_v1(one.depth_multiplier, one.height, one.channels, one.classes)
    name = f"mobilenet_v1_{one.depth_multiplier:g}_{one.height}x{one.width}x{one.channels}"
    return architecture_graph(architecture, name=name, width=one.width)


def architecture_graph(architecture: Architecture, *, name: str = "", width: int = 0) -> Graph:
    """The network as TensorFlow Lite would write it: same operators, shapes and padding, random weights.

    Its memory plan, flash and arithmetic are those of the trained network; what it computes means nothing.

    Args:
        width: of a picture that is no square; 0 is the architecture's side.
    """
    builder = _Builder(architecture, width or architecture.side)
    for one in architecture.convolutions():
        builder.convolution(one)
    return builder.finish(name or f"{architecture.kind}_{architecture.key}")


class _Builder:
    def __init__(self, architecture: Architecture, width: int) -> None:
        self._architecture = architecture
        self._rng = np.random.default_rng(0)
        self._activations: list[Activation] = []
        self._ops: list[Op] = []
        self._block, self._block_input = 0, self._add(architecture.side, width, architecture.channels, _PIXELS)

    def convolution(self, one: Convolution) -> None:
        source = self._activations[-1]
        if one.block != self._block:
            self._block, self._block_input = one.block, source
        window, height, width = _same(source, one.kernel, one.stride)
        output = self._add(height, width, one.outputs, _RELU6 if one.relu6 else _LINEAR)
        weights = self._weights(
            (one.kernel, one.kernel, one.outputs)
            if one.depthwise
            else (one.outputs, one.kernel, one.kernel, one.inputs)
        )
        scaling, number = self._scaling(one.outputs), len(self._ops)
        if one.depthwise:
            self._ops.append(
                DepthwiseConv2D(number, "DEPTHWISE_CONV_2D", (source.id,), output.id, weights, scaling, window, 1)
            )
        else:
            self._ops.append(Conv2D(number, "CONV_2D", (source.id,), output.id, weights, scaling, window))
        if one.residual:
            self.residual(self._block_input)

    def residual(self, source: Activation) -> None:
        latest = self._activations[-1]
        output = self._add(latest.height, latest.width, latest.channels, _LINEAR)
        # Both inputs count a half, as for one scale; the sum of two is shifted back from the left shift of 20.
        half, back = (_HALF, _HALF, _HALF), (0, 0, -18)
        self._ops.append(Add(len(self._ops), "ADD", (source.id, latest.id), output.id, half, back))

    def finish(self, name: str) -> Graph:
        source, classes = self._activations[-1], self._architecture.classes
        mean = self._add(1, 1, source.channels, source.quantization)
        self._ops.append(Mean(len(self._ops), "MEAN", (source.id,), mean.id, (0, 1), _HALF, 0))
        scores = self._add(1, 1, classes, Quantization(1 / 16, 0))
        weights = self._weights((classes, source.channels))
        scaling = self._scaling(classes)
        self._ops.append(FullyConnected(len(self._ops), "FULLY_CONNECTED", (mean.id,), scores.id, weights, scaling))
        output = self._add(1, 1, classes, _PROBABILITIES)
        self._ops.append(Softmax(len(self._ops), "SOFTMAX", (scores.id,), output.id, 1.0))
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
