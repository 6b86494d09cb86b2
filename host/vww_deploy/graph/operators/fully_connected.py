"""FULLY_CONNECTED: over the whole input, or at each position of a map."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

import numpy as np

from vww_deploy.graph.geometry import Window
from vww_deploy.graph.ir import Activation, Graph, Op, WeightedOp
from vww_deploy.graph.operators.conv2d import Conv2D
from vww_deploy.graph.operators.reshape import Reshape
from vww_deploy.graph.operators.wide_conv2d import wide_or
from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator


@dataclass(frozen=True, eq=False)
class FullyConnected(WeightedOp):
    """Matrix times vector over the whole input in height, width, channel order; ``weights`` int8 [out, in]."""

    def macs(self, graph: Graph) -> int:
        return int(self.weights.size)

    def as_convolution(self, graph: Graph) -> Op:
        """One whose window is the whole picture."""
        source = graph.activations[self.inputs[0]]
        weights, window = self.weights.reshape(-1, *source.shape), Window((source.height, source.width), (1, 1))
        return Conv2D(self.index, self.kind, self.inputs, self.output, weights, self.requantization, window)


def read(reader: Reader, op: FileOperator) -> None:
    value = reader.value(op.inputs[0])
    out = reader.tensors[op.outputs[0]]
    if op.options is not None and op.options.WeightsFormat() != 0:
        raise RefusedError("shuffled weights are not supported")
    weights, scales = reader.weights(op.inputs[1], 0)
    if weights.ndim != 2:
        raise RefusedError(f"weights {list(weights.shape)}; two dimensions are needed")
    flat = value.flat and weights.shape[1] == reader.activations[value.id].size
    source = reader.activations[value.id] if flat else reader.picture(op.inputs[0])
    positions = source.height * source.width
    if not flat and weights.shape[1] == source.channels and out.shape == (positions, weights.shape[0]):
        source = _as_positions(reader, op.inputs[0], source)
    per_tensor = reader.tensors[op.inputs[1]].scales.size == 1
    requantization = reader.requantization(op, source, scales, weights, per_tensor_product=per_tensor)
    if weights.shape[1] == source.size:
        identity = reader.new(out)
        if reader.activations[identity].size != weights.shape[0]:
            raise RefusedError(f"output {list(out.shape)} does not hold {weights.shape[0]} values")
        layer = FullyConnected(op.index, op.kind, (source.id,), identity, weights.astype(np.int8), requantization)
        window = Window((source.height, source.width), (1, 1))
        reader.ops.append(wide_or(layer, weights.reshape(-1, *source.shape), window))
    elif weights.shape[1] == source.channels and not flat:
        # The last dimension alone is multiplied: a 1x1 convolution over the others.
        identity = reader.new(out)
        if reader.activations[identity].shape != (source.height, source.width, weights.shape[0]):
            raise RefusedError(f"output {list(out.shape)} does not follow from input {list(source.shape)}")
        kernel = weights.reshape(weights.shape[0], 1, 1, weights.shape[1])
        window = Window((1, 1), (1, 1))
        conv = Conv2D(op.index, op.kind, (source.id,), identity, kernel.astype(np.int8), requantization, window)
        reader.ops.append(wide_or(conv, kernel, window))
    else:
        raise RefusedError(f"weights {list(weights.shape)} do not fit an input of {source.size} values")


def _as_positions(reader: Reader, index: int, source: Activation) -> Activation:
    """A map as a single row, which LiteRT takes for a batch."""
    if source.height == 1:
        return source
    width = source.height * source.width
    row = dataclasses.replace(source, id=len(reader.activations), height=1, width=width, axes=())
    reader.activations[row.id] = row
    reader.ops.append(Reshape(reader.producer(index), "RESHAPE", (source.id,), row.id))
    return row


READERS: Final = {"FULLY_CONNECTED": read}
