"""Addresses for storages whose extents change over time, so that none overlap at any call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Interval = tuple[int, int]
Matrix = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Extents:
    """The bytes [low, high) of each storage that are in use at each call, int64 [storages, calls]; empty: 0, 0."""

    low: Matrix
    high: Matrix

    @property
    def bound(self) -> int:
        """The most bytes in use at any call: no placement takes less."""
        return int((self.high - self.low).sum(axis=0).max(initial=0))


def place(extents: Extents, effort: int, below: int | None = None) -> tuple[list[int], int] | None:
    """Offsets (multiples of 4) for storages, and the bytes they take; ``effort`` is how many orders are tried.

    None when no order takes less than ``below`` bytes.
    """
    low, high = extents.low, extents.high
    count = len(low)
    used = high > low
    size = high.max(axis=1, initial=0).tolist()
    area = (high - low).sum(axis=1).tolist()
    duration = used.sum(axis=1).tolist()
    start = np.where(used.any(axis=1), used.argmax(axis=1), 0).tolist()
    keys: list[Callable[[int], tuple[int, int]]] = [
        lambda i: (-size[i], start[i]),
        lambda i: (-area[i], start[i]),
        lambda i: (-duration[i], -size[i]),
        lambda i: (start[i], -size[i]),
        lambda i: (-start[i], -size[i]),
    ]
    orders = [sorted(range(count), key=key) for key in keys]
    random = np.random.default_rng(1)  # a fixed seed: the same model gives the same plan
    blurs = np.exp(random.uniform(-3.0, 0.0, (max(effort - len(orders), 0), count)))
    orders += [sorted(orders[0], key=lambda i: -size[i] * blur[i]) for blur in blurs]
    conflicts = _conflicts(extents)
    bound = extents.bound
    best: tuple[list[int], int] | None = None
    for order in orders[: max(effort, 1)]:
        best = _place_in_order(conflicts, size, order, below) or best
        if best is not None:
            below = best[1]
            if below <= bound + 3:
                break
    return best


def _conflicts(extents: Extents) -> list[dict[int, list[Interval]]]:
    """For storages i and j the open intervals in which the offset of i must not lie, relative to the offset of j."""
    low, high = extents.low, extents.high
    used = high > low
    result: list[dict[int, list[Interval]]] = [{} for _ in low]
    far = np.int64(1) << 40
    for i in range(1, len(low)):
        both = used[:i] & used[i]
        begin, end = low[:i] - high[i], high[:i] - low[i]
        first, last = np.where(both, begin, far).min(axis=1), np.where(both, end, -far).max(axis=1)
        # Where all intervals overlap they are one.
        single = np.where(both, begin, -far).max(axis=1) < np.where(both, end, far).min(axis=1)
        for j in np.flatnonzero(both.any(axis=1)).tolist():
            one = [(int(first[j]), int(last[j]))]
            merged = one if single[j] else _merge(begin[j, both[j]], end[j, both[j]])
            result[i][j] = merged
            result[j][i] = [(-b, -a) for a, b in reversed(merged)]
    return result


def _merge(begin: Matrix, end: Matrix) -> list[Interval]:
    """Open intervals united."""
    merged: list[Interval] = []
    for low, high in sorted(set(zip(begin.tolist(), end.tolist(), strict=True))):
        if merged and low < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return merged


def _place_in_order(
    conflicts: Sequence[Mapping[int, list[Interval]]], size: Sequence[int], order: Sequence[int], below: int | None
) -> tuple[list[int], int] | None:
    """Each storage at its lowest free address; None as soon as ``below`` is reached."""
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
        top = max(top, -(-(offsets[i] + size[i]) // 4) * 4)
        if below is not None and top >= below:
            return None
    return [offsets[i] for i in range(len(size))], top


def _lowest_free(forbidden: Sequence[Interval]) -> int:
    """The lowest multiple of 4, at least 0, inside none of the open intervals."""
    offset = 0
    for low, high in sorted(forbidden):
        if low < offset < high:
            offset = -(-high // 4) * 4
    return offset
