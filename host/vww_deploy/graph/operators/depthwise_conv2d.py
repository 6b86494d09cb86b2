"""DEPTHWISE_CONV_2D."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from vww_deploy.graph.geometry import Window
from vww_deploy.graph.ir import Channels, Graph, Op
from vww_deploy.graph.operators.conv2d import Conv2D
from vww_deploy.graph.operators.weighted import WindowedOp, weighted_range
from vww_deploy.graph.operators.wide_conv2d import wide_or
from vww_deploy.graph.ranges import Range, Values
from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator


@dataclass(frozen=True, eq=False)
class DepthwiseConv2D(WindowedOp):
    """Depthwise convolution; ``weights`` int8 [kernel_h, kernel_w, in * multiplier], output channel o reads input
    channel o // multiplier.
    """

    depth_multiplier: int

    def as_convolution(self, graph: Graph) -> Op:
        """One input channel makes it a convolution."""
        if graph.activations[self.inputs[0]].channels > 1:
            return self
        weights = self.weights.transpose(2, 0, 1)[:, :, :, None]
        return Conv2D(self.index, self.kind, self.inputs, self.output, weights, self.requantization, self.window)

    def range_of(self, graph: Graph, given: Sequence[Range]) -> Range:
        source, out = graph.activations[self.inputs[0]], graph.activations[self.output]
        zero_points = source.quantization.zero_point, out.quantization.zero_point
        shape = out.height, out.width
        return weighted_range(self, given[0], zero_points, lambda w, v: depthwise_sums(w, v, self.window, shape))

    def ask_channels(self, channels: Channels) -> None:
        out, given = channels.keep[self.output], channels.keep[self.inputs[0]]
        given |= out.reshape(-1, self.depth_multiplier).any(axis=1)
        out |= np.repeat(given, self.depth_multiplier)

    def narrowed(self, channels: Channels) -> Op:
        out = channels.keep[self.output]
        requantization = self.requantization.narrowed(self.requantization.bias.astype(np.int64), out)
        return dataclasses.replace(self, weights=self.weights[:, :, out], requantization=requantization)


def depthwise_sums(weights: npt.NDArray[np.int8], values: Values, window: Window, shape: tuple[int, int]) -> Values:
    """The same for depthwise weights [kernel_h, kernel_w, out]."""
    multiplier = weights.shape[2] // values.shape[2]
    result = np.zeros((*shape, weights.shape[2]), np.int64)
    for ky, kx, taps in window.taps(values, shape):
        result += np.repeat(taps, multiplier, axis=2) * weights[ky, kx].astype(np.int64)
    return result


def read(reader: Reader, op: FileOperator) -> None:
    source = reader.picture(op.inputs[0])
    reader.spatial(reader.tensors[op.inputs[0]])
    out = reader.tensors[op.outputs[0]]
    weights, scales = reader.weights(op.inputs[1], 3)
    if (
        weights.ndim != 4
        or weights.shape[0] != 1
        or weights.shape[3] % source.channels
        or out.shape[3:] != weights.shape[3:]
    ):
        raise RefusedError(
            f"weights {list(weights.shape)} do not fit input {list(source.shape)} and output {list(out.shape)}"
        )
    window = reader.window(reader.options(op), (weights.shape[1], weights.shape[2]), source, out)
    requantization = reader.requantization(op, source, scales, weights.reshape(-1, weights.shape[3]).T)
    multiplier = weights.shape[3] // source.channels
    narrow = weights[0].astype(np.int8)
    layer = DepthwiseConv2D(
        op.index, op.kind, (source.id,), reader.new(out), narrow, requantization, window, multiplier
    )
    reader.ops.append(wide_or(layer, weights.transpose(3, 1, 2, 0), window, source.channels))


READERS: Final = {"DEPTHWISE_CONV_2D": read}
