"""The terminal view: draws what changes, and turns keys into requests."""

from __future__ import annotations

import contextlib
import re
import shutil
import sys
from collections.abc import Iterator
from typing import Final, TextIO

from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment

from vww_deploy.errors import ToolMissing, VwwError
from vww_deploy.monitor import graphics
from vww_deploy.monitor.graphics import Colours, Graphics
from vww_deploy.monitor.keyboard import cell_size, open_keyboard
from vww_deploy.monitor.monitor import Monitor
from vww_deploy.monitor.screen import Hole, Page, draw
from vww_deploy.monitor.state import MonitorView
from vww_deploy.pictures.outputs import Cell

_REFRESH_S: Final = 0.1  # longest between two looks at the state; keys are heard at once
_DEFAULT_CELL: Final = (16, 8)  # height and width of a cell in screen pixels, where the terminal does not say
_SYSTEMS: Final = {
    "standard": ColorSystem.STANDARD,
    "256": ColorSystem.EIGHT_BIT,
    "truecolor": ColorSystem.TRUECOLOR,
}
_KEY: Final = re.compile(rb"\x1b\[[0-9;?]*[@-~]|\x1bO.|.", re.DOTALL)
_ARROWS: Final = {b"\x1b[C": "right", b"\x1b[D": "left", b"\x1b[H": "home"}


def check_terminal() -> None:
    """Raise ToolMissing if standard input or output is no terminal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ToolMissing("this is no terminal", hint="Use --plain (a line a result) or --json.")


def watch(monitor: Monitor) -> None:
    """Show a started monitor on this process's terminal until the user quits."""
    TerminalFace(monitor, sys.stdin, sys.stdout).run()


class TerminalFace:
    """Draws a monitor on a terminal and hears its keys.

    Args:
        monitor: started.
        keyboard: the terminal's input.
        screen: the terminal's output.
    """

    def __init__(self, monitor: Monitor, keyboard: TextIO, screen: TextIO) -> None:
        self._monitor = monitor
        self._keyboard = open_keyboard(keyboard)
        self._screen = screen
        self._console = Console(file=screen, force_terminal=True, highlight=False)
        self._painter = Painter(screen, self._console, Graphics.BLOCKS)
        self._quit = False
        self._speed = 1.0

    def run(self) -> None:
        """Draw until the user quits. The terminal is left as it was found, whatever happens."""
        with self._keyboard as keyboard:
            self._painter = Painter(self._screen, self._console, graphics.detect(keyboard, self._screen))
            try:
                self._painter.open()
                while not self._quit:
                    self._draw()
                    for key in self._keys(keyboard.read(_REFRESH_S)):
                        self.press(key)
            finally:
                self._painter.close()

    def _draw(self) -> None:
        size = shutil.get_terminal_size()
        self._console.size = size.columns, size.lines
        view = self._monitor.view()
        source = self._monitor.source
        speed = self._monitor.control.speed
        self._painter.paint(draw(self._console, view, title=source.title, replays=source.replays, speed=speed), view)

    def press(self, key: str) -> None:
        """Do what a key stands for; a failure is a line on the console."""
        monitor = self._monitor
        try:
            match key:
                case "q" | "\x04":
                    self._quit = True
                case " ":
                    monitor.pause(not monitor.control.paused)
                case "s":
                    monitor.tell(f"saved {monitor.snapshot()}")
                case "1" | "0":
                    monitor.tell(f"labelled {monitor.label(key == '1')}")
                case "[" | "]":
                    monitor.set_threshold(round(monitor.view().threshold + (0.05 if key == "]" else -0.05), 2))
                case "u":
                    monitor.tell(f"label taken back: {monitor.undo_label()}")
                case "r" if monitor.view().recording:
                    monitor.tell(f"recorded {monitor.stop_recording()}")
                case "r" if not monitor.source.replays:
                    monitor.tell(f"recording to {monitor.start_recording()}")
                case "right" | "left" if monitor.source.replays:
                    monitor.step(1 if key == "right" else -1)
                case "home" if monitor.source.replays:
                    monitor.control.step(-1_000_000_000)
                case "+" | "-" if monitor.source.replays:
                    monitor.control.set_speed(min(64.0, max(1 / 8, monitor.control.speed * (2 if key == "+" else 0.5))))
        except VwwError as error:
            monitor.tell(error.message)

    def _keys(self, data: bytes | None) -> Iterator[str]:
        """The names of the keys in what a keyboard gave."""
        if data is None:
            self._quit = True  # the terminal has gone
        for sequence in _KEY.findall(data or b""):
            if sequence in _ARROWS:
                yield _ARROWS[sequence]
            elif len(sequence) == 1:
                yield sequence.decode("latin-1")


class Painter:
    """Writes pages to a terminal: only the rows that changed, and the picture where the page has its hole."""

    def __init__(self, screen: TextIO, console: Console, graphic: Graphics) -> None:
        self._screen = screen
        self._console = console
        self._graphic = graphic
        self._rows: list[str] = []
        self._picture: tuple[int, tuple[Cell, ...], Hole] | None = None

    def open(self) -> None:
        """Take the whole terminal: the other screen, no cursor, no wrapping."""
        self._screen.write("\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J")

    def close(self) -> None:
        """Give it back."""
        clear = graphics.kitty_clear() if self._graphic is Graphics.KITTY else ""
        with contextlib.suppress(OSError):  # a terminal that went away cannot be tidied
            self._screen.write(f"{clear}\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l")
            self._screen.flush()

    def paint(self, page: Page, view: MonitorView) -> None:
        """Bring the terminal to a page."""
        out: list[str] = []
        if len(self._rows) != len(page.lines):
            self._rows = [""] * len(page.lines)
            self._picture = None
            out.append("\x1b[2J" + (graphics.kitty_clear() if self._graphic is Graphics.KITTY else ""))
        if self._picture is not None and self._picture[2] != page.hole:
            self._rows = [""] * len(page.lines)
            out.append("\x1b[2J")
        for y, line in enumerate(page.lines):
            row = self._row(line, page.hole if page.hole and 0 <= y - page.hole.top < page.hole.rows else None)
            if row != self._rows[y]:
                out.append(f"\x1b[{y + 1};1H{row}")
                self._rows[y] = row
        if page.hole and view.shown:
            picture = (id(view.shown), view.cells, page.hole)
            if picture != self._picture:
                out.append(self._drawn(view, page.hole))
                self._picture = picture
        if out:
            self._screen.write("\x1b[?2026h" + "".join(out) + "\x1b[?2026l")  # at once, where terminals can do that
            self._screen.flush()

    def _row(self, line: list[Segment], hole: Hole | None) -> str:
        if hole is None:
            return self._ansi(line)
        parts = list(Segment.divide(line, [hole.left, hole.left + hole.columns, 10_000]))
        return self._ansi(parts[0]) + f"\x1b[{hole.columns}C" + self._ansi(parts[2])

    def _ansi(self, line: list[Segment]) -> str:
        system = _SYSTEMS.get(self._console.color_system or "")
        return "".join(style.render(text, color_system=system) if style else text for text, style, _ in line)

    def _drawn(self, view: MonitorView, hole: Hole) -> str:
        pixels = view.picture
        assert pixels is not None
        at = f"\x1b[{hole.top + 1};{hole.left + 1}H"
        if self._graphic is Graphics.KITTY:
            return at + graphics.kitty(pixels, hole.rows, hole.columns)
        if self._graphic is Graphics.SIXEL:
            high, wide = self._cell()
            return at + graphics.sixel(pixels, hole.rows * high // 6 * 6, hole.columns * wide)
        lines = graphics.half_blocks(pixels, hole.rows, hole.columns, self._colours())
        return "".join(f"\x1b[{hole.top + 1 + y};{hole.left + 1}H{line}" for y, line in enumerate(lines))

    def _colours(self) -> Colours:
        system = self._console.color_system
        return Colours.TRUE if system == "truecolor" else Colours.INDEXED if system == "256" else Colours.NONE

    def _cell(self) -> tuple[int, int]:
        """Height and width of a cell in screen pixels."""
        return cell_size(self._screen) or _DEFAULT_CELL
