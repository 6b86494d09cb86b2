"""The terminal view as a picture: the state in, lines of cells out. No terminal is touched here."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.padding import Padding
from rich.rule import Rule
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from vww_deploy.monitor.graphics import fit
from vww_deploy.monitor.state import MonitorView, TextLine
from vww_deploy.monitor.text import file_name, milliseconds, printable, rate, sparkline, spent, ticks
from vww_deploy.session.latency import estimate

SMALLEST: Final = (60, 16)  # columns and rows below which only a request for more room is shown

_KEYS: Final = (
    ("q", "quit"),
    ("space", "pause"),
    ("1 0", "label"),
    ("r", "record"),
    ("s", "snapshot"),
    ("[ ]", "threshold"),
    ("u", "unlabel"),
)
_REPLAY_KEYS: Final = (
    ("q", "quit"),
    ("space", "pause"),
    ("← →", "step"),
    ("+ -", "speed"),
    ("1 0", "label"),
    ("s", "snapshot"),
    ("[ ]", "threshold"),
    ("u", "unlabel"),
)


@dataclass(frozen=True)
class Hole:
    """Cells that the layout leaves to the picture: from row ``top`` and column ``left`` (both from 0)."""

    top: int
    left: int
    rows: int
    columns: int


@dataclass(frozen=True)
class Page:
    """A drawn view: one list of segments a row, and where the picture goes."""

    lines: list[list[Segment]]
    hole: Hole | None


def draw(console: Console, view: MonitorView, *, title: str, replays: bool = False, speed: float = 1.0) -> Page:
    """Lay a view out over the whole console."""
    width, height = console.size
    options = console.options.update_dimensions(width, height)
    if width < SMALLEST[0] or height < SMALLEST[1]:
        text = Text(f"{view.label} {_percent(view)}\nplease enlarge the terminal to {SMALLEST[0]} x {SMALLEST[1]}")
        return Page(console.render_lines(text, options.update(height=height)), None)

    console_rows = 4 if height < 30 else 8
    body_rows = height - console_rows - 3
    hole = _hole(view, body_rows, width)
    layout = Layout()
    layout.split_column(
        Layout(_header(view, title, replays), size=1),
        Layout(name="body", size=body_rows + 1),
        Layout(_console(view, console_rows, width), size=console_rows),
        Layout(_footer(replays, speed, width), size=1),
    )
    layout["body"].split_row(
        Layout(Text(" "), size=hole.left + hole.columns + 2),
        Layout(Padding(_facts(view, body_rows, width - hole.left - hole.columns - 3), (1, 1, 0, 0))),
    )
    return Page(console.render_lines(layout, options.update(height=height)), hole)


def _hole(view: MonitorView, body_rows: int, width: int) -> Hole:
    if view.shown is not None:
        height, picture_width = view.shown.picture.pixels.shape[:2]
    elif view.board is not None:
        height, picture_width = view.board.height, view.board.width
    else:
        height = picture_width = 1
    rows, columns = fit(height, picture_width, body_rows - 1, max(20, width - 44))
    return Hole(2, 1, rows, columns)


def _header(view: MonitorView, title: str, replays: bool) -> RenderableType:
    style, word = {
        "connecting": ("yellow", "connecting"),
        "connected": ("green", "connected"),
        "lost": ("red", "board lost, waiting for it"),
        "ended": ("blue", "ended"),
    }[view.connection]
    if replays:
        style, word = "blue", "replay" if view.connection != "ended" else "end of the recording"
    elif (silent := view.silent_s(time.time())) is not None:
        style, word = "yellow", f"no result for {silent:.0f} s"
    left = Text.assemble(("vww-deploy", "bold"), " ", no_wrap=True, overflow="ellipsis")
    if view.board:
        board = view.board
        left.append(printable(f" {board.board} · {board.model} · firmware {board.firmware} · {board.port}"))
    else:
        left.append(printable(f" {title}"))
    right = Text(no_wrap=True, justify="right")
    if view.recording:
        right.append(" ● REC ", "bold red")
    if view.recording_failed:
        right.append(" recording stopped ", "bold red")
    if view.paused:
        right.append(" ❚❚ paused ", "bold yellow")
    right.append(f" ● {word} ", style)
    grid = Table.grid(expand=True)
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(left, right)
    return grid


def _facts(view: MonitorView, rows: int, width: int) -> RenderableType:
    lines: list[RenderableType] = [_verdict(view, width), _bar(view, width), _chances(view, width), Text("")]
    result = view.shown.result if view.shown else None
    clock = view.board.clock if view.board else ""
    clock_hz = view.board.clock_hz if view.board else 1_000_000
    history = [float(point.ticks) for point in view.history]
    if result is not None:
        latency = Text("latency ", "dim", no_wrap=True)
        if result.latency_us is None:
            lines.append(latency.append(ticks(result.ticks, clock), "bold"))
            lines.append(Text(str(estimate(result.ticks, view.estimate_for) or ""), "dim", no_wrap=True))
        else:
            latency.append(milliseconds(result.latency_us), "bold")
            if clock and clock != "micros":
                latency.append(f"  {ticks(result.ticks, clock)}", "dim")
            lines.append(latency)
            lines.append(Text(sparkline(history, width), "cyan", no_wrap=True))
        total = sum(count for _, count in result.stages) or 1
        for name, count in result.stages[: max(0, rows - 11)]:
            share = round(count / total * max(0, width - 30))
            figure = spent(count, clock, clock_hz)
            stage = Text.assemble((f"{printable(name):>11} ", "dim"), f"{figure:>14} ", no_wrap=True)
            lines.append(stage.append("━" * share, "cyan"))
    else:
        lines.append(Text(printable(view.reason) or "waiting for the first picture", "dim"))
    lines.append(Text(""))
    rates = ("pictures/s", f"{view.fps:.1f}"), ("pictures", f"{view.results:,}"), ("missed", view.missed)
    lines += _pairs(width, *rates)
    if view.link:
        link = view.link
        lines += _pairs(width, ("in", rate(view.bytes_in_per_s)), ("out", rate(view.bytes_out_per_s)))
        lines += _pairs(width, ("retries", link.retries), ("errors", link.errors), ("drops", link.drops))
    if view.skipped:
        lines += _pairs(width, ("skipped", view.skipped))
    if view.shown and view.shown.picture.source:
        lines.append(Text(printable(file_name(view.shown.picture.source)), "dim", no_wrap=True, overflow="ellipsis"))
    lines += _layers(view, rows - len(lines) - 1, width)
    return Group(*lines[:rows])


def _verdict(view: MonitorView, width: int) -> RenderableType:
    if view.person is None:
        return Text("no picture yet", "bold dim")
    grid = Table.grid(expand=True)
    grid.add_column(ratio=1)
    grid.add_column(justify="right")
    style = "bold green" if view.person else "bold magenta"
    chance = f"{printable(view.outputs.chance)} {_percent(view)}"
    grid.add_row(Text(printable(view.label).upper(), style), Text(chance, style))
    return Group(grid, Text(printable(view.detail), "dim", no_wrap=True, overflow="ellipsis")) if view.detail else grid


def _bar(view: MonitorView, width: int) -> Text:
    """P(person) as a bar, the threshold as a mark in it."""
    p = view.shown.result.p_person if view.shown else 0.0
    filled = round(p * width)
    mark = min(width - 1, round(view.threshold * width))
    colour = "green" if view.person else "magenta"
    bar = Text(no_wrap=True)
    for cell in range(width):
        if cell == mark:
            bar.append("┃", "bold yellow")
        else:
            bar.append("━", colour if cell < filled else "bright_black")
    return bar


def _chances(view: MonitorView, width: int) -> Text:
    """P(person) of the last results, oldest first, from 0 to 1; green where it reached the threshold."""
    text = Text.assemble(("threshold ", "dim"), (f"{view.threshold:.2f}", "yellow"), "  ", no_wrap=True)
    recent = [point.p_person for point in view.history][-max(0, width - 17) :]
    for p_person, bar in zip(recent, sparkline(recent, len(recent), 1.0), strict=True):
        text.append(bar, "green" if p_person >= view.threshold else "magenta")
    return text


def _layers(view: MonitorView, rows: int, width: int) -> list[RenderableType]:
    """The slowest layers, as many as there is room for."""
    if rows < 3 or not view.layers:
        return []
    total = sum(count for _, count in view.layers) or 1
    slowest = sorted(view.layers, key=lambda layer: -layer[1])[: rows - 2]
    lines: list[RenderableType] = [Text(""), Text("slowest layers", "dim")]
    for name, count in slowest:
        bar = "━" * round(count / slowest[0][1] * max(0, width - 30))
        text = Text.assemble((f"{printable(name)[:20]:>20} ", "dim"), f"{count / total:>6.1%} ", no_wrap=True)
        lines.append(text.append(bar, "blue"))
    return lines


def _console(view: MonitorView, rows: int, width: int) -> RenderableType:
    recent = view.lines[-(rows - 1) :]
    return Group(Rule("console", style="bright_black", align="left"), *(_line(line) for line in recent))


def _line(line: TextLine) -> Text:
    style = "yellow" if line.notice else "default"
    return Text(" " + printable(line.text), style, no_wrap=True, overflow="ellipsis")


def _footer(replays: bool, speed: float, width: int) -> RenderableType:
    """The keys, the most wanted first: those that there is no room for are left out whole."""
    text = Text(no_wrap=True)
    pace = "" if not replays else " as fast as it goes" if speed == 0 else f" x {speed:g}"
    for key, what in _REPLAY_KEYS if replays else _KEYS:
        entry = Text.assemble((f" {key} ", "reverse"), f" {what} ")
        if text.cell_len + entry.cell_len + len(pace) <= width:
            text.append_text(entry)
    return text.append(pace, "dim")


def _pairs(width: int, *pairs: tuple[str, object]) -> list[Text]:
    """Names and values, as many on a line as have room there whole."""
    lines = [Text(no_wrap=True, overflow="ellipsis")]
    for name, value in pairs:
        pair = Text.assemble((f"{name} ", "dim"), str(value))
        if lines[-1] and lines[-1].cell_len + 2 + pair.cell_len > width:
            lines.append(Text(no_wrap=True, overflow="ellipsis"))
        lines[-1].append("  " if lines[-1] else "").append_text(pair)
    return lines


def _percent(view: MonitorView) -> str:
    return f"{view.shown.result.p_person:.1%}" if view.shown else ""
