"""SPACE_TO_DEPTH and DEPTH_TO_SPACE: blocks of pixels become channels, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vww_deploy.graph.geometry import RowMap
from vww_deploy.graph.ir import Graph, Op
from vww_deploy.graph.ranges import Range, Values
from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator


@dataclass(frozen=True, eq=False)
class SpaceToDepth(Op):
    """Squares of ``block`` x ``block`` pixels one after the other as channels, or, ``back``, channels as squares."""

    block: int
    back: bool

    def row_map(self, graph: Graph) -> RowMap:
        return RowMap(repeat=self.block) if self.back else RowMap(self.block, 0, self.block)

    def range_of(self, graph: Graph, given: Sequence[Range]) -> Range:
        return Range(self._moved(given[0].low), self._moved(given[0].high))

    def _moved(self, values: Values) -> Values:
        (h, w, c), b = values.shape, self.block
        if self.back:
            parts = values.reshape(h, w, b, b, c // b // b).transpose(0, 2, 1, 3, 4)
            return parts.reshape(h * b, w * b, c // b // b)
        return values.reshape(h // b, b, w // b, b, c).transpose(0, 2, 1, 3, 4).reshape(h // b, w // b, b * b * c)


def read(reader: Reader, op: FileOperator) -> None:
    source, out, block = (
        reader.picture(op.inputs[0]),
        reader.tensors[op.outputs[0]],
        int(reader.options(op).BlockSize()),
    )
    reader.spatial(reader.tensors[op.inputs[0]])
    if block < 1:
        raise RefusedError(f"a block of {block} pixels")
    reader.needs_scale(out, source.quantization)
    back, (h, w, c) = op.kind == "DEPTH_TO_SPACE", source.shape
    square = block * block
    fits = c % square == 0 if back else h % block == w % block == 0
    wanted = (h * block, w * block, c // square) if back else (h // block, w // block, c * square)
    identity = reader.new(out)
    if not fits or reader.activations[identity].shape != wanted:
        raise RefusedError(
            f"output {list(out.shape)} does not follow from input {list(source.shape)} and block {block}"
        )
    reader.ops.append(SpaceToDepth(op.index, op.kind, (source.id,), identity, block, back))


READERS: Final = {"DEPTH_TO_SPACE": read, "SPACE_TO_DEPTH": read}
