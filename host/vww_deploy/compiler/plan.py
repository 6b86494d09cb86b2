"""Where every byte of RAM lies: which tensors share memory, which stream, and at which offset each is placed.

A storage is memory that one tensor, or several that replace one another in place, live in. Time is the list of
kernel calls. For every call a storage has an extent: the bytes of it that hold something still needed. Two storages
may overlap wherever their extents never do at the same time; so a band's output may follow the input that it
consumes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np

from vww_deploy.compiler.kernels import InPlace
from vww_deploy.compiler.placement import Extents, place
from vww_deploy.compiler.schedule import Call, LayerOrder, Segment, segments_of
from vww_deploy.graph.ir import Activation, Op

READ_PAST_BYTES: Final = 4
"""The arena ends with so many bytes that no tensor uses: kernels may read up to 3 bytes past a tensor."""


class Layout(Enum):
    """How a tensor lies in memory."""

    PLANAR = "planar"  # channel after channel
    ROWS = "rows"  # row after row, in each row channel after channel; may be a ring of rows
    INTERLEAVED = "interleaved"  # row after row, pixel after pixel: the model's input


@dataclass(frozen=True)
class TensorPlace:
    """Where a tensor lies: element (c, y, x) is at ``offset + c * channel_stride + (y % rows) * row_stride + x``.

    An interleaved tensor has x and c the other way round. All in bytes; ``offset`` counts from the arena's start.
    """

    layout: Layout
    offset: int
    channel_stride: int
    row_stride: int
    rows: int


@dataclass(frozen=True)
class StorageUse:
    """A storage in the plan: the tensors (activation ids) in it, its offset, and its extent [low, high) at every
    call.
    """

    name: str
    tensors: tuple[int, ...]
    offset: int
    low: tuple[int, ...]
    high: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """A schedule and the memory for it.

    ``places`` by activation id; ``scratch`` the arena offset of each layer's scratch memory; ``arena_bytes`` the whole.
    """

    segments: tuple[Segment, ...]
    calls: tuple[Call, ...]
    places: Mapping[int, TensorPlace]
    scratch: Mapping[int, int]
    scratch_bytes: Mapping[int, int]
    storages: tuple[StorageUse, ...]
    arena_bytes: int

    @property
    def activation_bytes(self) -> int:
        """The most bytes that tensors take at any call."""
        return self._peak([s for s in self.storages if s.tensors])

    @property
    def most_scratch_bytes(self) -> int:
        """The largest scratch memory of a layer."""
        return max(self.scratch_bytes.values(), default=0)

    def _peak(self, storages: Sequence[StorageUse]) -> int:
        return max(sum(s.high[t] - s.low[t] for s in storages) for t in range(len(self.calls)))


@dataclass(frozen=True)
class Choice:
    """What the planner may choose: the bands, and the tensors (activation ids) that lie row after row."""

    bands: tuple[Segment, ...] = ()
    by_rows: frozenset[int] = frozenset()


@dataclass
class _Storage:
    name: str
    tensors: list[int]
    layout: Layout
    width: int = 0
    channels: int = 0
    rows: int = 0


def make_plan(
    layers: LayerOrder, choice: Choice, scratch_bytes: Mapping[int, int], *, effort: int = 1, below: int | None = None
) -> Plan | None:
    """The plan that follows from a choice; ``effort`` is how many placement orders are tried.

    None when none of them gets ``below`` so many bytes.
    """
    return _Builder(layers, choice, scratch_bytes).build(effort, below)


class _Builder:
    def __init__(self, layers: LayerOrder, choice: Choice, scratch_bytes: Mapping[int, int]) -> None:
        self.graph = layers.graph
        self.layers = layers
        self.choice = choice
        self.scratch_bytes = scratch_bytes
        self.segments = segments_of(len(self.graph.ops), choice.bands)
        self.calls = [call for segment in self.segments for call in layers.calls(segment)]
        self.band_of = {i: s for s in self.segments if s.is_band for i in range(s.begin, s.end)}
        self.storages: list[_Storage] = []
        self.storage_of: dict[int, _Storage] = {}

    def build(self, effort: int, below: int | None) -> Plan | None:
        self._assign()
        extents = self._extents()
        limit = None if below is None else below - READ_PAST_BYTES
        if limit is not None and extents.bound >= limit:
            return None
        placed = place(extents, effort, limit)
        if placed is None:
            return None
        offsets, arena = placed
        places = {
            tensor: self._tensor_place(tensor, storage, offset)
            for storage, offset in zip(self.storages, offsets, strict=True)
            for tensor in storage.tensors
        }
        scratch = {
            int(storage.name.split()[1]): offset
            for storage, offset in zip(self.storages, offsets, strict=True)
            if not storage.tensors
        }
        lows, highs = extents.low.tolist(), extents.high.tolist()
        uses = tuple(
            StorageUse(storage.name, tuple(storage.tensors), offset, tuple(low), tuple(high))
            for storage, offset, low, high in zip(self.storages, offsets, lows, highs, strict=True)
        )
        return Plan(
            segments=tuple(self.segments),
            calls=tuple(self.calls),
            places=places,
            scratch=scratch,
            scratch_bytes=dict(self.scratch_bytes),
            storages=uses,
            arena_bytes=arena + READ_PAST_BYTES,
        )

    # --- which tensors share a storage ---

    def _assign(self) -> None:
        graph = self.graph
        source = graph.input_activation
        # A picture of one channel lies row after row, too, and can be consumed by rows.
        layout = Layout.ROWS if source.channels == 1 else Layout.INTERLEAVED
        self._open(graph.input, Layout.PLANAR if source.height * source.width == 1 else layout, source.height)
        for index, op in enumerate(graph.ops):
            layout, rows = self._wanted(index)
            host = self._in_place(index, op, layout, rows)
            if host is None:
                self._open(op.output, layout, rows)
            else:
                storage = self.storage_of[host]
                storage.tensors.append(op.output)
                storage.channels = max(storage.channels, graph.activations[op.output].channels)
                self.storage_of[op.output] = storage

    def _open(self, tensor: int, layout: Layout, rows: int) -> None:
        activation = self.graph.activations[tensor]
        storage = _Storage(activation.name, [tensor], layout, activation.width, activation.channels, rows)
        self.storages.append(storage)
        self.storage_of[tensor] = storage

    def _wanted(self, index: int) -> tuple[Layout, int]:
        """Layout and rows of a layer's output."""
        tensor = self.graph.ops[index].output
        height = self.graph.activations[tensor].height
        if self.graph.is_interleaved(tensor):
            return Layout.INTERLEAVED, height
        band = self.band_of.get(index)
        if band is not None and index + 1 < band.end:
            # A pointwise layer works in place in the ring, which must then serve its consumer, too.
            position = index
            while position + 2 < band.end and self._ring_in_place(position + 1):
                position += 1
            rows = max(self.layers.ring_rows(band, i - band.begin) for i in range(index, position + 1))
            return Layout.ROWS, min(rows, height)
        given = self.storage_of[self.graph.ops[index].inputs[0]]
        if band is None and self.graph.ops[index].keeps_order and given.rows == height:
            return (given.layout if given.layout is Layout.ROWS else Layout.PLANAR), height
        return (Layout.ROWS if tensor in self.choice.by_rows else Layout.PLANAR), height

    def _ring_in_place(self, index: int) -> bool:
        return InPlace.ROWS in self.layers.in_place[index]

    def _in_place(self, index: int, op: Op, layout: Layout, rows: int) -> int | None:
        """The input whose storage the output may take over, or None."""
        graph = self.graph
        out = graph.activations[op.output]
        band = self.band_of.get(index)
        if band is not None and band.backward:
            return None
        allowed = self.layers.in_place[index]
        if band is not None:
            allowed &= InPlace.ROWS
        for tensor in op.inputs:
            source = graph.activations[tensor]
            storage = self.storage_of[tensor]
            if self.layers.last_reader[tensor] != index or storage.layout is not layout:
                continue
            if op.inputs.count(tensor) > 1 and len(op.inputs) > 1:
                continue
            # The host writes the input without gaps; more channels would spread its rows.
            if graph.input in storage.tensors and out.channels > storage.channels:
                continue
            same = (source.height, source.width) == (out.height, out.width) and storage.rows == rows
            smaller = layout is Layout.PLANAR and out.height <= source.height and out.width <= source.width
            fits = {InPlace.ROWS: same, InPlace.SAME: same, InPlace.SHRINK: smaller, InPlace.ANY: True}
            if any(fits[way] for way in allowed if way in fits):
                return tensor
        return None

    # --- how much of it is in use, and when ---

    def _extents(self) -> Extents:
        """Of every storage, scratch memory last: the rows that are written already and still needed, in bytes."""
        low, high = self.layers.live_rows(self.calls)
        live = low < high
        rows = len(self.storages)
        first = np.zeros((rows, len(self.calls)), np.int64)
        last = np.zeros_like(first)
        for number, storage in enumerate(self.storages):
            for tensor in storage.tensors:
                activation, t = self.graph.activations[tensor], self.layers.row_of[tensor]
                if storage.layout is Layout.PLANAR or storage.rows < activation.height:
                    begin = np.zeros(len(self.calls), np.int64)
                    end = np.where(live[t], self._whole_bytes(activation, storage), 0)
                else:
                    pitch, width = self._pitch(activation, storage), activation.width * activation.channels
                    begin, end = low[t] * pitch, np.where(live[t], (high[t] - 1) * pitch + width, 0)
                used = last[number] > first[number]
                begin = np.where(used, np.minimum(first[number], begin), begin)
                first[number] = np.where(live[t], begin, first[number])
                last[number] = np.maximum(last[number], end)
        running = np.array([call.layer for call in self.calls])
        more = []
        for layer, size in self.scratch_bytes.items():
            if size:
                self.storages.append(_Storage(f"scratch {layer}", [], Layout.PLANAR))
                more.append(np.where(running == layer, size, 0))
        if more:
            first = np.concatenate([first, np.zeros((len(more), len(self.calls)), np.int64)])
            last = np.concatenate([last, np.array(more, np.int64)])
        return Extents(first, last)

    def _pitch(self, activation: Activation, storage: _Storage) -> int:
        if storage.layout is Layout.INTERLEAVED:
            return activation.width * activation.channels
        return storage.width * storage.channels if storage.layout is Layout.ROWS else activation.width

    def _whole_bytes(self, activation: Activation, storage: _Storage) -> int:
        if storage.layout is Layout.PLANAR:
            return activation.size
        return (storage.rows - 1) * self._pitch(activation, storage) + activation.width * activation.channels

    def _tensor_place(self, tensor: int, storage: _Storage, offset: int) -> TensorPlace:
        activation = self.graph.activations[tensor]
        pitch = self._pitch(activation, storage)
        if storage.layout is Layout.PLANAR:
            return TensorPlace(storage.layout, offset, activation.height * activation.width, pitch, activation.height)
        channel_stride = activation.width if storage.layout is Layout.ROWS else 0
        return TensorPlace(storage.layout, offset, channel_stride, pitch, storage.rows)
