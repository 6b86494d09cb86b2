"""Charts of the HTML reports, drawn as SVG: no script, and the colours of the page, be it light, dark or on paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

STYLE: Final = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
"""The style sheet of both reports."""

_WIDTH: Final = 540
_HEIGHT: Final = 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 14, 12, 48
_MOST_POINTS: Final = 1500  # of a line; more cannot be distinguished
_LONGEST_NAME: Final = 26  # of a bar, characters


@dataclass(frozen=True)
class Axis:
    """What is measured along an axis, in which range."""

    name: str
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True)
class BarGroup:
    """Values of one kind in a histogram; ``style`` is a class of the style sheet: ``yes``, ``no`` or ``time``."""

    name: str
    values: Sequence[float]
    style: str


def line(
    title: str,
    x: Axis,
    y: Axis,
    points: Sequence[tuple[float, float]],
    *,
    style: str = "time",
    dots: bool = False,
    diagonal: bool = False,
    mark: tuple[float, float] | None = None,
) -> str:
    """A line through points; ``mark`` is one that stands out, ``diagonal`` a guide from corner to corner."""
    plot = _Plot(x, y)
    thin = points[:: max(1, len(points) // _MOST_POINTS)]
    parts = []
    if diagonal:
        parts.append(f'<polyline class="guide" points="{plot.at(x.low, y.low)} {plot.at(x.high, y.high)}"/>')
    drawn = " ".join(plot.at(*point) for point in [*thin, points[-1]])
    parts.append(f'<polyline class="line {style}" points="{drawn}"/>')
    parts += [plot.dot(point, f"dot {style}", 3) for point in points if dots]
    if mark is not None:
        parts.append(plot.dot(mark, "mark", 5))
    return plot.svg(title, parts)


def histogram(
    title: str, x: Axis, groups: Sequence[BarGroup], *, bins: int = 20, threshold: float | None = None
) -> str:
    """How often values fall into each of ``bins`` parts of the x axis; groups overlap."""
    width = (x.high - x.low) / bins or 1.0
    counts = []
    for group in groups:
        of_group = [0] * bins
        for value in group.values:
            of_group[min(bins - 1, max(0, int((value - x.low) / width)))] += 1
        counts.append(of_group)
    plot = _Plot(x, Axis("results", 0, max(1, *(max(of_group) for of_group in counts))))
    parts = []
    for group, of_group in zip(groups, counts, strict=True):
        for number, count in enumerate(of_group):
            left, top = plot.place(x.low + number * width, count)
            right, bottom = plot.place(x.low + (number + 1) * width, 0)
            if count:
                parts.append(
                    f'<rect class="bar {group.style}" x="{left + 0.5:.1f}" y="{top:.1f}" '
                    f'width="{max(1.0, right - left - 1):.1f}" height="{bottom - top:.1f}">'
                    f"<title>{escape(group.name)}: {count}</title></rect>"
                )
    if threshold is not None:
        ends = f"{plot.at(threshold, 0)} {plot.at(threshold, plot.y.high)}"
        parts.append(f'<polyline class="threshold" points="{ends}"><title>threshold {threshold:g}</title></polyline>')
    legend = "".join(f'<span class="key {group.style}">{escape(group.name)}</span>' for group in groups)
    return plot.svg(title, parts, legend if len(groups) > 1 else "")


def bars(title: str, unit: str, rows: Sequence[tuple[str, float]]) -> str:
    """A bar for each name, the first on top."""
    height, left = 20, 190
    most = max((value for _, value in rows), default=0) or 1
    room = _WIDTH - left - 90
    parts = []
    for number, (name, value) in enumerate(rows):
        y = number * height
        shown = name if len(name) <= _LONGEST_NAME else f"…{name[1 - _LONGEST_NAME :]}"
        parts.append(
            f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{escape(shown)}<title>{escape(name)}</title></text>'
            f'<rect class="bar time" x="{left}" y="{y + 4}" width="{max(1, room * value / most):.1f}" height="12"/>'
            f'<text x="{left + room * value / most + 6:.1f}" y="{y + 14}">{value:,.0f}</text>'
        )
    total = len(rows) * height
    parts.append(f'<text class="axis" x="{left}" y="{total + 16}">{escape(unit)}</text>')
    return _svg(title, _WIDTH, total + 22, parts)


class _Plot:
    """The rectangle of a chart, its ticks and the names of its axes."""

    def __init__(self, x: Axis, y: Axis) -> None:
        self.x, self.y = x, y

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a point is drawn; outside of the axes at their ends."""
        across = (x - self.x.low) / ((self.x.high - self.x.low) or 1)
        up = (y - self.y.low) / ((self.y.high - self.y.low) or 1)
        inside = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
        return _LEFT + min(1.0, max(0.0, across)) * inside[0], _TOP + (1 - min(1.0, max(0.0, up))) * inside[1]

    def at(self, x: float, y: float) -> str:
        left, top = self.place(x, y)
        return f"{left:.1f},{top:.1f}"

    def dot(self, point: tuple[float, float], style: str, radius: int) -> str:
        left, top = self.place(*point)
        return f'<circle class="{style}" cx="{left:.1f}" cy="{top:.1f}" r="{radius}"/>'

    def svg(self, title: str, parts: Sequence[str], legend: str = "") -> str:
        """The chart with everything around it."""
        bottom, middle = _HEIGHT - _BOTTOM, _LEFT + (_WIDTH - _LEFT - _RIGHT) / 2
        around = []
        for value in ticks(self.x.low, self.x.high):
            left, _ = self.place(value, self.y.low)
            around.append(f'<text x="{left:.1f}" y="{bottom + 17}" text-anchor="middle">{value:,g}</text>')
        for value in ticks(self.y.low, self.y.high):
            _, top = self.place(self.x.low, value)
            around.append(f'<polyline class="grid" points="{_LEFT},{top:.1f} {_WIDTH - _RIGHT},{top:.1f}"/>')
            around.append(f'<text x="{_LEFT - 6}" y="{top + 4:.1f}" text-anchor="end">{value:,g}</text>')
        around.append(
            f'<text class="axis" x="{middle}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(self.x.name)}</text>'
        )
        up = _TOP + (bottom - _TOP) / 2
        around.append(
            f'<text class="axis" x="14" y="{up}" text-anchor="middle" transform="rotate(-90 14 {up})">'
            f"{escape(self.y.name)}</text>"
        )
        return _svg(title, _WIDTH, _HEIGHT, [*around, *parts]) + (f'<p class="legend">{legend}</p>' if legend else "")


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round values between two, some five of them."""
    span = high - low
    if span <= 0 or not math.isfinite(span):
        return [low]
    rough = span / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _svg(title: str, width: int, height: int, parts: Sequence[str]) -> str:
    inside = "".join(parts)
    return f'<svg class="chart" role="img" aria-label="{escape(title)}" viewBox="0 0 {width} {height}">{inside}</svg>'
