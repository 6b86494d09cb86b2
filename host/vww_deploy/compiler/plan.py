"""Where every byte of RAM lies: which tensors share memory, which stream, and at which offset each is placed.

A storage is memory that one tensor, or several that replace one another in place, live in. Time is the list of
kernel calls. For every call a storage has an extent: the bytes of it that hold something still needed. Two storages
may overlap wherever their extents never do at the same time; so a band's output may follow the input that it
consumes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
import numpy.typing as npt

from vww_deploy.compiler.kernels import InPlace, rule_of
from vww_deploy.compiler.schedule import Call, Segment, calls_of, ring_rows, rows_read, segments_of
from vww_deploy.graph.ir import Activation, Graph, Op

READ_PAST_BYTES: Final = 4
"""The arena ends with so many bytes that no tensor uses: kernels may read up to 3 bytes past a tensor."""

Extents = npt.NDArray[np.int64]


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
    graph: Graph, choice: Choice, scratch_bytes: Mapping[int, int], *, effort: int = 1, below: int | None = None
) -> Plan | None:
    """The plan that follows from a choice; ``effort`` is how many placement orders are tried.

    None when it is known beforehand not to get ``below`` so many bytes.
    """
    return _Builder(graph, choice, scratch_bytes).build(effort, below)


class _Builder:
    def __init__(self, graph: Graph, choice: Choice, scratch_bytes: Mapping[int, int]) -> None:
        self.graph = graph
        self.choice = choice
        self.scratch_bytes = scratch_bytes
        self.segments = segments_of(len(graph.ops), choice.bands)
        self.calls = [call for segment in self.segments for call in calls_of(graph, segment)]
        self.last_reader = {i: index for index, op in enumerate(graph.ops) for i in op.inputs}
        self.last_reader[graph.output] = len(graph.ops)
        self.readers: dict[int, list[int]] = {i: [] for i in graph.activations}
        for index, op in enumerate(graph.ops):
            for tensor in set(op.inputs):
                self.readers[tensor].append(index)
        self.producer = {op.output: index for index, op in enumerate(graph.ops)}
        self.times_of: dict[int, list[int]] = {index: [] for index in range(-1, len(graph.ops))}
        for t, call in enumerate(self.calls):
            self.times_of[call.layer].append(t)
        self.band_of = {i: s for s in self.segments if s.is_band for i in range(s.begin, s.end)}
        self.storages: list[_Storage] = []
        self.storage_of: dict[int, _Storage] = {}

    def build(self, effort: int, below: int | None) -> Plan | None:
        self._assign()
        extents = [self._extents(storage) for storage in self.storages]
        for layer, size in self.scratch_bytes.items():
            if size:
                self.storages.append(_Storage(f"scratch {layer}", [], Layout.PLANAR))
                running = np.array([size if call.layer == layer else 0 for call in self.calls], np.int64)
                extents.append((np.zeros_like(running), running))
        if below is not None and _bound(extents) >= below:
            return None
        offsets, arena = _place(extents, effort)
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
        uses = tuple(
            StorageUse(storage.name, tuple(storage.tensors), offset, tuple(low.tolist()), tuple(high.tolist()))
            for storage, offset, (low, high) in zip(self.storages, offsets, extents, strict=True)
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
        band = self.band_of.get(index)
        if band is not None and index + 1 < band.end:
            # A pointwise layer works in place in the ring, which must then serve its consumer, too.
            position = index
            while position + 2 < band.end and self._ring_in_place(position + 1):
                position += 1
            rows = max(ring_rows(self.graph, band, i - band.begin) for i in range(index, position + 1))
            return Layout.ROWS, min(rows, height)
        return (Layout.ROWS if tensor in self.choice.by_rows else Layout.PLANAR), height

    def _ring_in_place(self, index: int) -> bool:
        op = self.graph.ops[index]
        return InPlace.ROWS in rule_of(op).in_place(self.graph, op)

    def _in_place(self, index: int, op: Op, layout: Layout, rows: int) -> int | None:
        """The input whose storage the output may take over, or None."""
        graph = self.graph
        out = graph.activations[op.output]
        band = self.band_of.get(index)
        if band is not None and band.backward:
            return None
        allowed = rule_of(op).in_place(graph, op)
        if band is not None:
            allowed &= InPlace.ROWS
        for tensor in op.inputs:
            source = graph.activations[tensor]
            storage = self.storage_of[tensor]
            if (
                self.last_reader[tensor] != index
                or storage.layout is Layout.INTERLEAVED
                or storage.layout is not layout
            ):
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

    def _extents(self, storage: _Storage) -> tuple[Extents, Extents]:
        low = np.zeros(len(self.calls), np.int64)
        high = np.zeros(len(self.calls), np.int64)
        for tensor in storage.tensors:
            first, last = self._tensor_extent(tensor, storage)
            empty = high == low
            live = last > first
            low = np.where(live, np.where(empty, first, np.minimum(low, first)), low)
            high = np.where(live, np.maximum(high, last), high)
        return low, high

    def _tensor_extent(self, tensor: int, storage: _Storage) -> tuple[Extents, Extents]:
        """Extent of one tensor over time: the rows that are written already and still needed."""
        graph, activation = self.graph, self.graph.activations[tensor]
        count, height = len(self.calls), activation.height
        # Rows that are written by now, and rows that this call or a later one reads or writes.
        low, high = np.full(count, height, np.int64), np.zeros(count, np.int64)
        first, last = low.copy(), high.copy()
        if tensor == graph.input:
            low[:], high[:] = 0, height
        if tensor == graph.output:
            first[:], last[:] = 0, height
        for t in self.times_of[self.producer.get(tensor, -1)]:
            low[t], high[t] = self.calls[t].row_begin, self.calls[t].row_end
            first[t], last[t] = min(first[t], low[t]), max(last[t], high[t])
        for reader in self.readers[tensor]:
            for t in self.times_of[reader]:
                rows = rows_read(graph, graph.ops[reader], self.calls[t].row_begin, self.calls[t].row_end)
                first[t], last[t] = min(first[t], rows[0]), max(last[t], rows[1])
        low = np.maximum(np.minimum.accumulate(low), np.minimum.accumulate(first[::-1])[::-1])
        high = np.minimum(np.maximum.accumulate(high), np.maximum.accumulate(last[::-1])[::-1])
        live = low < high
        if storage.layout is Layout.PLANAR or storage.rows < height:
            size = self._whole_bytes(activation, storage)
            return np.zeros(count, np.int64), np.where(live, size, 0)
        pitch = self._pitch(activation, storage)
        width = activation.width * activation.channels
        return np.where(live, low * pitch, 0), np.where(live, (high - 1) * pitch + width, 0)

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


# --- placing ---


def _bound(extents: Sequence[tuple[Extents, Extents]]) -> int:
    """The most bytes in use at any call: no placement takes less."""
    return int(np.sum([high - low for low, high in extents], axis=0).max(initial=0))


def _place(extents: Sequence[tuple[Extents, Extents]], effort: int) -> tuple[list[int], int]:
    """Offsets (multiples of 4) for storages so that no two extents overlap at any call, and the bytes they take."""
    count = len(extents)
    size = [int(high.max(initial=0)) for _, high in extents]
    alive = [np.flatnonzero(high > low) for low, high in extents]
    area = [int((high - low).sum()) for low, high in extents]
    start = [int(times[0]) if times.size else 0 for times in alive]
    keys: list[Callable[[int], tuple[int, int]]] = [
        lambda i: (-size[i], start[i]),
        lambda i: (-area[i], start[i]),
        lambda i: (-alive[i].size, -size[i]),
        lambda i: (start[i], -size[i]),
        lambda i: (-start[i], -size[i]),
    ]
    orders = [sorted(range(count), key=key) for key in keys]
    random = np.random.default_rng(1)  # a fixed seed: the same model gives the same plan
    blurs = np.exp(random.uniform(-3.0, 0.0, (max(effort - len(orders), 0), count)))
    orders += [sorted(orders[0], key=lambda i: -size[i] * blur[i]) for blur in blurs]
    conflicts = _conflicts(extents)
    bound = _bound(extents)
    best: tuple[list[int], int] | None = None
    for order in orders[: max(effort, 1)]:
        found = _place_in_order(conflicts, size, order)
        if best is None or found[1] < best[1]:
            best = found
        if best[1] <= bound + 3:
            break
    assert best is not None
    return best


Interval = tuple[int, int]


def _conflicts(extents: Sequence[tuple[Extents, Extents]]) -> list[dict[int, list[Interval]]]:
    """For storages i and j the open intervals in which the offset of i must not lie, relative to the offset of j."""
    result: list[dict[int, list[Interval]]] = [{} for _ in extents]
    for i, (low, high) in enumerate(extents):
        for j in range(i):
            other_low, other_high = extents[j]
            both = (high > low) & (other_high > other_low)
            if both.any():
                merged = _merge(other_low[both] - high[both], other_high[both] - low[both])
                result[i][j] = merged
                result[j][i] = [(-b, -a) for a, b in reversed(merged)]
    return result


def _merge(begin: Extents, end: Extents) -> list[Interval]:
    """Open intervals united."""
    merged: list[Interval] = []
    for low, high in sorted(set(zip(begin.tolist(), end.tolist(), strict=True))):
        if merged and low < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return merged


def _place_in_order(
    conflicts: Sequence[Mapping[int, list[Interval]]], size: Sequence[int], order: Sequence[int]
) -> tuple[list[int], int]:
    offsets: dict[int, int] = {}
    top = 0
    for i in order:
        forbidden = [
            (offsets[j] + low, offsets[j] + high)
            for j, intervals in conflicts[i].items()
            if j in offsets
            for low, high in intervals
        ]
        offsets[i] = _lowest_free(forbidden)
        top = max(top, offsets[i] + size[i])
    return [offsets[i] for i in range(len(size))], -(-top // 4) * 4


def _lowest_free(forbidden: Sequence[Interval]) -> int:
    """The lowest multiple of 4, at least 0, inside none of the open intervals."""
    offset = 0
    for low, high in sorted(forbidden):
        if low < offset < high:
            offset = -(-high // 4) * 4
    return offset
