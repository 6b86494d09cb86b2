"""The page of a fleet: its boards, what they do, how fast, and what fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from vww_deploy.monitor.fleet_watch import FleetView, FleetWatch
from vww_deploy.monitor.parts import (
    DEFAULT_PORT,
    card,
    dress,
    fact,
    line_chart,
    serve_page,
    set_attribute,
    set_text,
    text_in,
    ui,
)

if TYPE_CHECKING:
    from nicegui.elements.mixins.text_element import TextElement

    from vww_deploy.fleet.client import Place

_REFRESH_S: Final = 0.5
_COLUMNS: Final = ("board", "serial number", "machine", "state", "pictures/s", "pictures", "failures", "last failure")


def serve(
    watch: FleetWatch,
    address: str,
    *,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    open_browser: bool = True,
    announce: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve the page of a watched fleet until interrupted (Ctrl-C); as :func:`vww_deploy.monitor.parts.serve_page`."""
    serve_page(
        lambda: _FleetPage(watch, address),
        "vww-deploy fleet",
        host=host,
        port=port,
        open_browser=open_browser,
        announce=announce,
    )


class _FleetPage:
    """One browser's page."""

    def __init__(self, watch: FleetWatch, address: str) -> None:
        self._watch = watch
        self._version = -1
        self._shown: tuple[str, ...] = ()  # the boards that have a row, in order
        self._rows: list[list[TextElement]] = []
        self._failed = 0
        dress()
        with ui.element("header").classes("vww-bar"):
            text_in("h1", "vww-deploy").classes("vww-name")
            self._state = ui.label("").classes("vww-pill").props("role=status aria-live=polite id=state")
            ui.label(f"fleet at {address}").classes("vww-facts vww-grow")
        with ui.element("div").classes("vww-grid"):
            with card("vww-third", "Fleet"), ui.element("div").classes("vww-numbers"):
                self._boards = fact("boards").props("id=boards")
                self._working = fact("working").props("id=working")
                self._aside = fact("set aside").props("id=aside")
                self._rate = fact("pictures/s").props("id=rate")
                self._results = fact("pictures").props("id=results")
                self._failures = fact("failures").props("id=failures")
            with card("vww-two-thirds", "Pictures a second, all boards"):
                self._chart = ui.echart(line_chart("#1581c4", maximum=None)).classes("vww-chart")
            with card("vww-whole", "Boards"):
                scrolls = ui.element("div").classes("vww-scrolls").props("tabindex=0 role=group aria-label=boards")
                with scrolls, ui.element("table").classes("vww-table").props("id=table"):
                    with ui.element("thead"), ui.element("tr"):
                        for name in _COLUMNS:
                            text_in("th", name).props("scope=col")
                    self._body = ui.element("tbody")
            with card("vww-whole", "Failures since the page's program began"):
                self._log = ui.log(max_lines=200).classes("vww-console")
                self._log.props('id=log tabindex=0 role=log aria-label="failures"')
        self.refresh()
        ui.timer(_REFRESH_S, self.refresh)

    def refresh(self) -> None:
        """Bring the page to the newest view. Cheap when nothing changed."""
        view = self._watch.view()
        if view.version == self._version:
            return
        self._version = view.version
        looking = not view.version
        set_text(self._state, view.lost or ("looking for the fleet" if looking else "connected"))
        set_attribute(self._state, "data-state", "lost" if view.lost else "connecting" if looking else "connected")
        for label, value in (
            (self._boards, f"{len(view.boards):,}"),
            (self._working, f"{view.count('works'):,}"),
            (self._aside, f"{view.count('set aside'):,}"),
            (self._rate, f"{view.rate:,.1f}"),
            (self._results, f"{view.results:,}"),
            (self._failures, f"{view.failed:,}"),
        ):
            set_text(label, value)
        self._draw_table(view)
        for at, board, error in view.failures[len(view.failures) - (view.failed - self._failed) :]:
            self._log.push(f"{time.strftime('%H:%M:%S', time.localtime(at))} {board}: {error}")
        self._failed = view.failed
        self._chart.options["series"][0]["data"] = [[1000 * at, round(rate, 2)] for at, rate in view.history]
        self._chart.update()

    def _draw_table(self, view: FleetView) -> None:
        serials = tuple(place.serial for place, _ in view.boards)
        if serials != self._shown:
            self._shown = serials
            self._rows = []
            self._body.clear()
            with self._body:
                for _ in serials:
                    with ui.element("tr"):
                        heading = text_in("th", "").props("scope=row")
                        self._rows.append([heading, *(text_in("td", "") for _ in _COLUMNS[1:])])
        for row, (place, rate) in zip(self._rows, view.boards, strict=True):
            for cell, text in zip(row, _cells(place, rate), strict=True):
                set_text(cell, text)
            set_attribute(row[3], "data-state", place.state)


def _cells(place: Place, rate: float) -> tuple[str, ...]:
    counts = f"{rate:.1f}", f"{place.results:,}", f"{place.failures:,}"
    return place.kind, place.serial, place.host, place.state, *counts, place.error
