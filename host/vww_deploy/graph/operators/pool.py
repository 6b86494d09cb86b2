"""What the two pools have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vww_deploy.graph.geometry import RowMap, Window
from vww_deploy.graph.ir import Channels, Graph, Op
from vww_deploy.graph.ranges import Range, Values
from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator


@dataclass(frozen=True, eq=False)
class Pool(Op):
    """A pool: one value of each window; padding takes no part in it."""

    window: Window
    clamp_min: int = -128
    clamp_max: int = 127
    unsigned: bool = False
    """Whether the file's values are uint8: means of those round half up, of int8 half away from zero."""

    def row_map(self, graph: Graph) -> RowMap:
        return self.window.row_map

    def pooled(self, values: Values, shape: tuple[int, int]) -> Values:
        """The exact result for values [height, width, channels], before the clamp."""
        raise NotImplementedError

    def range_of(self, graph: Graph, given: Sequence[Range]) -> Range:
        out = graph.activations[self.output]
        low, high = (self.pooled(values, (out.height, out.width)) for values in (given[0].low, given[0].high))
        return Range(np.clip(low, self.clamp_min, self.clamp_max), np.clip(high, self.clamp_min, self.clamp_max))

    def ask_channels(self, channels: Channels) -> None:
        channels.keep_alike(self)


def read_pool(reader: Reader, op: FileOperator, record: type[Pool]) -> None:
    """Either pool, as its record."""
    source = reader.picture(op.inputs[0])
    out = reader.tensors[op.outputs[0]]
    options = reader.options(op)
    window = reader.window(options, (options.FilterHeight(), options.FilterWidth()), source, out)
    quantization = reader.quantization(out)
    if quantization != source.quantization:
        raise RefusedError(
            "input and output have different scales or zero points, which TFLite's pooling does not rescale"
        )
    if out.shape[3] != source.channels:
        raise RefusedError(f"output {list(out.shape)} does not follow from input {list(source.shape)}")
    low, high = reader.clamp(op, quantization)
    unsigned = out.dtype == "UINT8"
    reader.ops.append(record(op.index, op.kind, (source.id,), reader.new(out), window, low, high, unsigned))
