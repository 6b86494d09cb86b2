"""The memory plan as a picture: addresses over time, for the terminal and as an SVG, and in words."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vww_deploy.compiler.compiled import Compiled
from vww_deploy.compiler.cost import CostModel
from vww_deploy.compiler.plan import Choice, Plan, StorageUse, make_plan
from vww_deploy.compiler.schedule import LayerOrder
from vww_deploy.errors import ModelError
from vww_deploy.files import write_whole

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SCRATCH: Final = "#"
_SCRATCH_FILL: Final = "#555"
_LEGEND_LINE: Final = 18  # pixels
_LAYER_ROOM: Final = 18  # pixels that a layer's number takes
_BAND_COLUMNS: Final = 12  # how many of a band's many calls are shown


@dataclass(frozen=True)
class _Column:
    """A moment in the drawing: the call at it, and the first layer it belongs to when a segment begins there."""

    call: int
    begins: int | None


def explain(compiled: Compiled) -> list[str]:
    """Why the plan is as it is: sentences for the user."""
    plan, graph = compiled.plan, compiled.graph
    lines = []
    for segment in plan.segments:
        if segment.backward:
            shape = "x".join(str(n) for n in graph.activations[graph.ops[segment.begin].output].shape)
            lines.append(
                f"layer {segment.begin} runs from its last row to its first: {shape} grow where its input lies"
            )
        elif segment.is_band and segment.end - segment.begin > 1:
            maps = [graph.activations[graph.ops[i].output].shape for i in range(segment.begin, segment.end - 1)]
            names = ", ".join("x".join(str(n) for n in shape) for shape in maps)
            lines.append(
                f"layers {segment.begin}-{segment.end - 1} stream, {segment.rows} row(s) of the last at a time: "
                f"the maps between them ({names}) exist a few rows at a time only"
            )
        elif segment.is_band:
            lines.append(f"layer {segment.begin} runs {segment.rows} row(s) at a time and follows its input")
    scratch = {i: kernel.scratch_bytes for i, kernel in compiled.kernels.items()}
    plain = make_plan(LayerOrder(graph), Choice(), scratch, effort=20)
    if plain is not None and plain.arena_bytes > plan.arena_bytes:
        bands = tuple(s for s in plan.segments if s.is_band)
        by_rows = frozenset(t for t, p in plan.places.items() if p.layout.value == "rows" and t != graph.input)
        lines.append(
            f"with every layer whole it would take {plain.arena_bytes:,} bytes; this costs about "
            f"{CostModel(graph).slowdown(Choice(bands, by_rows)):.1%} of speed"
        )
    moment, used = _peak(plan)
    holders = [s for s in plan.storages if s.high[moment] > s.low[moment]]
    parts = ", ".join(f"{_label(compiled, s)} {s.high[moment] - s.low[moment]:,}" for s in holders)
    layer = plan.calls[moment].layer
    lines.append(f"most is in use in layer {layer}: {used:,} of {plan.arena_bytes:,} bytes ({parts})")
    return lines


def plan_text(compiled: Compiled, *, width: int = 100, height: int = 24) -> str:
    """A drawing of ``height`` lines and at most ``width`` columns, with a legend: addresses grow upwards, time
    rightwards.

    A letter stands for a tensor (or several that replace one another in place), ``#`` for scratch memory.
    """
    plan = compiled.plan
    columns = _columns(plan)
    axis = len(f"{plan.arena_bytes:,}") + 1
    step = max(1, -(-len(columns) // max(width - axis - 1, 1)))
    shown = columns[::step]
    letters = _letters(plan)
    cell = plan.arena_bytes / height
    lines = []
    for row in reversed(range(height)):
        low, high = row * cell, (row + 1) * cell
        text = "".join(_cell(plan, column.call, low, high, letters) for column in shown)
        label = f"{round(high):,}" if row % 4 == 3 or row == height - 1 else ""
        lines.append(f"{label:>{axis}} {text}".rstrip())
    marks = "".join(str(c.begins % 10) if c.begins is not None else " " for c in shown)
    lines.append(f"{'layer':>{axis}} {marks}".rstrip())
    for storage in plan.storages:
        if storage.tensors:
            size = max(storage.high)
            first = f"{letters[storage.name, storage.offset]} {size:>8,} bytes at {storage.offset:>6}"
            lines.append(f"{first}  {_label(compiled, storage)}"[:width])
    return "\n".join(lines) + "\n"


def plan_svg(compiled: Compiled) -> str:
    """The same as an SVG document: a rectangle for each stretch of time in which a storage's extent stays the same.

    With round figures on the axis of bytes, a line where most is in use, and a legend.
    """
    plan = compiled.plan
    columns = _columns(plan)
    left, top, wide, tall = 80, 50, 900, 420
    dx, dy = wide / len(columns), tall / plan.arena_bytes
    hues = {storage: 137 * i % 360 for i, storage in enumerate(s for s in plan.storages if s.tensors)}
    fills = {storage: f"hsl({hue},55%,68%)" for storage, hue in hues.items()}
    legend = [(fill, f"{_label(compiled, s)}: {max(s.high):,} bytes") for s, fill in fills.items()]
    if len(fills) < len(plan.storages):
        legend.append((_SCRATCH_FILL, "scratch memory of a layer"))
    below = top + tall + 60
    bottom = below + _LEGEND_LINE * (-(-len(legend) // 2)) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + wide + 20} {bottom}" '
        'font-family="sans-serif" font-size="11">',
        f"<title>{html.escape(compiled.source.name)}: {plan.arena_bytes:,} bytes of RAM</title>",
        f'<rect width="{left + wide + 20}" height="{bottom}" fill="#fff"/>',
        f'<rect x="{left}" y="{top}" width="{wide}" height="{tall}" fill="#f4f4f4" stroke="#999"/>',
    ]
    for storage in plan.storages:
        for begin, end, low, high in _stretches(storage, columns):
            label = html.escape(f"{_label(compiled, storage)}: {storage.offset + low:,} to {storage.offset + high:,}")
            y = top + tall - (storage.offset + high) * dy
            parts.append(
                f'<rect x="{left + begin * dx:.2f}" y="{y:.2f}" width="{(end - begin) * dx:.2f}" '
                f'height="{(high - low) * dy:.2f}" fill="{fills.get(storage, _SCRATCH_FILL)}">'
                f"<title>{label}</title></rect>"
            )
    for address in _ticks(plan.arena_bytes):
        y = top + tall - address * dy
        parts.append(f'<text x="{left - 8}" y="{y + 4:.2f}" text-anchor="end">{address:,}</text>')
        parts.append(f'<path d="M{left - 5} {y:.2f}h5" stroke="#999"/>')
    last = float(-_LAYER_ROOM)
    for i, column in enumerate(columns):
        x = left + i * dx
        if column.begins is not None and x - last >= _LAYER_ROOM:
            parts.append(f'<text x="{x:.2f}" y="{top + tall + 14}">{column.begins}</text>')
            last = x
    parts += _peak_marker(compiled, columns, (left, top, dx, tall))
    name = html.escape(compiled.source.name)
    parts.append(f'<text x="{left}" y="18" font-size="14">{name}: bytes of RAM over time</text>')
    parts.append(
        f'<text x="{left}" y="{top + tall + 34}">layer; a band of layers is drawn as some of its many calls</text>'
    )
    middle = top + tall / 2
    parts.append(f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">address in bytes</text>')
    for i, (fill, text) in enumerate(legend):
        x, y = left + i % 2 * wide // 2, below + i // 2 * _LEGEND_LINE
        parts.append(f'<rect x="{x}" y="{y - 9}" width="12" height="12" fill="{fill}" stroke="#999"/>')
        parts.append(f'<text x="{x + 18}" y="{y + 1}">{html.escape(text)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _peak_marker(compiled: Compiled, columns: Sequence[_Column], place: tuple[int, int, float, int]) -> list[str]:
    """A line through the drawn moment that is nearest to the one at which most is in use, and how much that is."""
    left, top, dx, tall = place
    moment, used = _peak(compiled.plan)
    nearest = min(range(len(columns)), key=lambda i: abs(columns[i].call - moment))
    x = left + (nearest + 0.5) * dx
    anchor = "start" if nearest < len(columns) / 2 else "end"
    layer = compiled.plan.calls[moment].layer
    return [
        f'<path id="peak" d="M{x:.2f} {top - 4}v{tall + 4}" stroke="#b3261e" stroke-dasharray="4 3"/>',
        f'<text x="{x:.2f}" y="{top - 8}" fill="#b3261e" text-anchor="{anchor}">'
        f"most in use: {used:,} bytes, in layer {layer}</text>",
    ]


def _ticks(most: int) -> list[int]:
    """0 and round figures up to ``most``: steps of 1, 2 or 5 times a power of ten, at most seven of them."""
    power = 10 ** max(len(str(most)) - 2, 0)
    step = next(power * factor for factor in (1, 2, 5, 10, 20, 50, 100) if power * factor * 7 >= most)
    return list(range(0, most + 1, step))


def write_svg(compiled: Compiled, path: Path) -> None:
    """Writes :func:`plan_svg` to a file; raises ModelError where that is not possible."""
    try:
        write_whole(path, plan_svg(compiled).encode())
    except OSError as error:
        raise ModelError(f"{path}: cannot be written: {error.strerror}", hint="choose another path") from error


def _peak(plan: Plan) -> tuple[int, int]:
    """(call, bytes in use) of the moment at which most is in use."""
    used = [sum(s.high[t] - s.low[t] for s in plan.storages) for t in range(len(plan.calls))]
    moment = max(range(len(used)), key=lambda t: used[t])
    return moment, used[moment]


def _columns(plan: Plan) -> list[_Column]:
    columns: list[_Column] = []
    call = 0
    for segment in plan.segments:
        count = 0
        while call + count < len(plan.calls) and segment.begin <= plan.calls[call + count].layer < segment.end:
            count += 1
        shown = min(count, _BAND_COLUMNS) if segment.is_band else 2
        for i in range(shown):
            chosen = call + (i * count // shown if segment.is_band else 0)
            columns.append(_Column(chosen, segment.begin if i == 0 else None))
        call += count
    return columns


def _letters(plan: Plan) -> dict[tuple[str, int], str]:
    tensors = [s for s in plan.storages if s.tensors]
    return {(s.name, s.offset): _LETTERS[i % len(_LETTERS)] for i, s in enumerate(tensors)}


def _cell(plan: Plan, call: int, low: float, high: float, letters: dict[tuple[str, int], str]) -> str:
    """The letter of the storage that has most of the bytes [low, high) at a call."""
    best, most = ".", 0.0
    for storage in plan.storages:
        begin, end = storage.offset + storage.low[call], storage.offset + storage.high[call]
        share = min(end, high) - max(begin, low)
        if storage.high[call] > storage.low[call] and share > most:
            best, most = letters[storage.name, storage.offset] if storage.tensors else _SCRATCH, share
    return best


def _stretches(storage: StorageUse, columns: Sequence[_Column]) -> list[tuple[int, int, int, int]]:
    """(first column, last + 1, low, high) wherever the storage is in use."""
    found: list[tuple[int, int, int, int]] = []
    for i, column in enumerate(columns):
        low, high = storage.low[column.call], storage.high[column.call]
        if high <= low:
            continue
        if found and found[-1][1] == i and found[-1][2:] == (low, high):
            found[-1] = (found[-1][0], i + 1, low, high)
        else:
            found.append((i, i + 1, low, high))
    return found


def _label(compiled: Compiled, storage: StorageUse) -> str:
    graph = compiled.graph
    if not storage.tensors:
        return storage.name.replace("scratch", "scratch of layer")
    producers = {op.output: i for i, op in enumerate(graph.ops)}
    names = []
    for tensor in storage.tensors:
        shape = "x".join(str(n) for n in graph.activations[tensor].shape)
        names.append(f"input {shape}" if tensor == graph.input else f"layer {producers[tensor]} {shape}")
    return names[0] if len(names) == 1 else f"{names[0]} .. {names[-1]}"
