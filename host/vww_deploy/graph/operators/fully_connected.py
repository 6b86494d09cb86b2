"""FULLY_CONNECTED: over the whole input, or at each position of a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vww_deploy.graph.ir import (
    Graph,
    Op,
    WeightedOp,
    Window,
)
from vww_deploy.graph.operators.conv2d import Conv2D
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
    source = reader.activations[value.id] if value.flat else reader.picture(op.inputs[0])
    out = reader.tensors[op.outputs[0]]
    if op.options is not None and op.options.WeightsFormat() != 0:
        raise RefusedError("shuffled weights are not supported")
    weights, scales = reader.weights(op.inputs[1], 0)
    if weights.ndim != 2:
        raise RefusedError(f"weights {list(weights.shape)}; two dimensions are needed")
    per_tensor = reader.tensors[op.inputs[1]].scales.size == 1
    requantization = reader.requantization(op, source, scales, per_tensor_product=per_tensor)
    if weights.shape[1] == source.size:
        identity = reader.new(out)
        if reader.activations[identity].size != weights.shape[0]:
            raise RefusedError(f"output {list(out.shape)} does not hold {weights.shape[0]} values")
        reader.ops.append(FullyConnected(op.index, op.kind, (source.id,), identity, weights, requantization))
    elif weights.shape[1] == source.channels and not value.flat:
        # The last dimension alone is multiplied: a 1x1 convolution over the others.
        identity = reader.new(out)
        if reader.activations[identity].shape != (source.height, source.width, weights.shape[0]):
            raise RefusedError(f"output {list(out.shape)} does not follow from input {list(source.shape)}")
        kernel = weights.reshape(weights.shape[0], 1, 1, weights.shape[1])
        window = Window((1, 1), (1, 1))
        reader.ops.append(Conv2D(op.index, op.kind, (source.id,), identity, kernel, requantization, window))
    else:
        raise RefusedError(f"weights {list(weights.shape)} do not fit an input of {source.size} values")


READERS: Final = {"FULLY_CONNECTED": read}
