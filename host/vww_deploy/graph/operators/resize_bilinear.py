"""RESIZE_BILINEAR, in LiteRT's fixed point with 10 bits behind the point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from vww_deploy.graph.geometry import RowMap
from vww_deploy.graph.ir import Channels, Graph, Op
from vww_deploy.graph.operators.resize_nearest_neighbor import corners_and_centers
from vww_deploy.graph.ranges import Range, Values
from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator

ONE: Final = 1 << 10


@dataclass(frozen=True)
class Steps:
    """Where along one side output elements lie in the input, in units of 1/1024: ``first + i * step``."""

    first: int
    step: int

    def places(self, size: int, count: int) -> tuple[Values, Values, Values]:
        """(place, element before, element behind) of ``count`` output elements in an input of ``size``."""
        place = self.first + np.arange(count, dtype=np.int64) * self.step
        before = np.clip(np.trunc(place / ONE).astype(np.int64), 0, size - 1)
        behind = np.minimum(np.trunc((place + ONE - 1) / ONE).astype(np.int64), size - 1)
        return place, before, behind


@dataclass(frozen=True, eq=False)
class ResizeBilinear(Op):
    """Another height and width; each value is weighed from its up to four neighbours."""

    down: Steps
    across: Steps

    def row_map(self, graph: Graph) -> RowMap | None:
        height, wanted = graph.activations[self.inputs[0]].height, graph.activations[self.output].height
        repeat, stride = max(wanted // height, 1), max(height // wanted, 1)
        if wanted * stride != height * repeat:
            return None
        _, before, behind = self.down.places(height, wanted)
        base = np.arange(wanted) // repeat * stride
        return RowMap(stride, int((before - base).min()), int((behind - base).max()) + 1, repeat)

    def range_of(self, graph: Graph, given: Sequence[Range]) -> Range:
        out = graph.activations[self.output]
        return Range(*(self._resized(values, out.height, out.width) for values in (given[0].low, given[0].high)))

    def ask_channels(self, channels: Channels) -> None:
        channels.keep_alike(self)

    def _resized(self, values: Values, height: int, width: int) -> Values:
        y, y0, y1 = self.down.places(values.shape[0], height)
        x, x0, x1 = self.across.places(values.shape[1], width)
        low, left = (y - ONE * y0)[:, None, None], (x - ONE * x0)[None, :, None]
        top = values[y0][:, x0] * (ONE - left) + values[y0][:, x1] * left
        bottom = values[y1][:, x0] * (ONE - left) + values[y1][:, x1] * left
        total = top * (ONE - low) + bottom * low
        half = np.where(total > 0, 1 << 19, -(1 << 19))
        result: Values = np.trunc((total + half) / (1 << 20)).astype(np.int64)
        return result


def read(reader: Reader, op: FileOperator) -> None:
    source, out, options = reader.picture(op.inputs[0]), reader.tensors[op.outputs[0]], reader.options(op)
    wanted = reader.whole_numbers(op.inputs[1]).reshape(-1).tolist()
    corners, centers = corners_and_centers(options)
    if reader.tensors[op.inputs[0]].dtype == "UINT8":
        raise RefusedError("uint8 values, which LiteRT resizes in floating point")
    reader.needs_scale(out, source.quantization)
    identity = reader.new(out)
    height, width, channels = reader.activations[identity].shape
    if wanted != [height, width] or channels != source.channels:
        raise RefusedError(f"output {list(out.shape)} does not follow from input {list(source.shape)} and {wanted}")
    down, across = (
        _steps(size, count, corners=corners, centers=centers)
        for size, count in ((source.height, height), (source.width, width))
    )
    reader.ops.append(ResizeBilinear(op.index, op.kind, (source.id,), identity, down, across))


def _steps(size: int, wanted: int, *, corners: bool, centers: bool) -> Steps:
    step = (ONE * size + wanted // 2) // wanted
    if corners and wanted > 1:
        step = (ONE * (size - 1) + (wanted - 1) // 2) // (wanted - 1)
    return Steps(step // 2 - ONE // 2 if centers else 0, step)


READERS: Final = {"RESIZE_BILINEAR": read}
