"""The web view: one page for any number of browsers, drawn from the same views as the terminal's."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from vww_deploy.errors import VwwError
from vww_deploy.monitor.monitor import Monitor
from vww_deploy.monitor.parts import (
    DEFAULT_PORT,
    card,
    dress,
    events,
    fact,
    line_chart,
    run,
    serve_page,
    set_attribute,
    set_text,
    text_in,
    tool,
    ui,
)
from vww_deploy.monitor.state import MonitorView, Shown
from vww_deploy.monitor.text import file_name, milliseconds, rate, spent, ticks
from vww_deploy.pictures.outputs import Cell
from vww_deploy.pictures.preprocess import check_picture
from vww_deploy.runs.recording import to_png
from vww_deploy.runs.replay import Replay
from vww_deploy.session.events import Pixels
from vww_deploy.session.latency import COUNTED, estimate

_REFRESH_S: Final = 0.05  # between two looks at the state; a result waits half of it on average
_CHARTS_EVERY_S: Final = 0.5  # eyes follow numbers faster than lines
_PATIENCE_S: Final = 2.0  # longest that a browser may take for a picture before it is sent the next
_PORTS_EVERY_S: Final = 3.0
_MAX_UPLOAD: Final = 32 * 1024 * 1024  # bytes of a dropped picture
_MULTIPART_BYTES: Final = 65536  # what a browser writes around it
_LINES_AT_ONCE: Final = 100
_ONE_PICTURE: Final = asyncio.Lock()  # of those that were dropped is in memory, for all browsers


def serve(
    monitor: Monitor,
    *,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    open_browser: bool = True,
    announce: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve the page of a started monitor until interrupted (Ctrl-C); as :func:`serve_page`."""
    pictures = _Pictures()
    serve_page(
        lambda: _Page(monitor, pictures),
        "vww-deploy monitor",
        host=host,
        port=port,
        open_browser=open_browser,
        announce=announce,
        largest_request=_MAX_UPLOAD + _MULTIPART_BYTES,
    )


class _Pictures:
    """The newest picture as data URLs, encoded once for all browsers."""

    def __init__(self) -> None:
        self._shown: tuple[Shown, tuple[Cell, ...]] | None = None
        self._urls = ("", "")

    def urls(self, view: MonitorView) -> tuple[str, str]:
        """Of what the model saw, with a map's cells, and of the raw picture; the latter empty if there is none."""
        assert view.shown is not None and view.picture is not None
        if (view.shown, view.cells) != self._shown:
            raw = view.shown.picture.raw
            self._urls = _url(view.picture), "" if raw is None else _url(raw)
            self._shown = view.shown, view.cells
        return self._urls


def _url(pixels: Pixels) -> str:
    return "data:image/png;base64," + base64.b64encode(to_png(pixels)).decode()


class _Page:
    """One browser's page."""

    def __init__(self, monitor: Monitor, pictures: _Pictures) -> None:
        self._monitor = monitor
        self._pictures = pictures
        self._version = -1
        self._number: int | None = None  # of the picture on the page: that is the one the user labels
        self._cells: tuple[Cell, ...] = ()  # of a map, drawn into that picture
        self._threshold = -1.0
        self._layers: tuple[tuple[str, int], ...] | None = None
        self._line = 0
        self._sent_at = 0.0  # when the browser was last sent a picture that it has not drawn yet
        self._charts_at = 0.0
        self._charted = -1
        self._placed = 0  # of the timeline, by us and not by its user
        dress()
        self._build_bar()
        self._said = ui.label("").classes("vww-said").props("role=status aria-live=polite id=said")
        with ui.element("div").classes("vww-grid"):  # in the <main> that NiceGUI makes
            self._build_picture()
            with ui.element("div").classes("vww-column vww-middle"):
                self._build_raw()
                self._build_link()
            with ui.element("div").classes("vww-column vww-side"):
                self._build_verdict()
                self._build_layers()
            self._build_charts()
            self._build_console()
        ui.keyboard(on_key=self._on_key, repeating=False)
        self.refresh()
        ui.timer(_REFRESH_S, self.refresh)
        if not monitor.source.replays:
            ui.timer(_PORTS_EVERY_S, self._list_ports)

    # -- building ---------------------------------------------------------------------------------------------------

    def _build_bar(self) -> None:
        replays = self._monitor.source.replays
        with ui.element("header").classes("vww-bar"):
            text_in("h1", "vww-deploy").classes("vww-name")
            self._state = ui.label("").classes("vww-pill").mark("state")
            if replays:
                ui.label(f"replay of {self._monitor.source.title}").classes("vww-facts")
            else:
                self._ports = ui.select({}, on_change=self._on_port).props(
                    'dense options-dense borderless aria-label="board"'
                )
            self._facts = ui.label("").classes("vww-facts vww-grow")
            self._recording = ui.label("").classes("vww-recording")
            with ui.element("div").classes("vww-tools"):
                if replays:
                    tool("first_page", "to the beginning", lambda: self._monitor.control.step(-1_000_000_000))
                    tool("navigate_before", "one picture back", lambda: self._monitor.step(-1))
                self._pause = tool("pause", "pause (space)", self._on_pause)
                if replays:
                    tool("navigate_next", "one picture on", lambda: self._monitor.step(1))
                    speeds = {0.25: "x ¼", 0.5: "x ½", 1.0: "x 1", 2.0: "x 2", 8.0: "x 8", 0.0: "fast"}
                    ui.select(speeds, value=1.0, on_change=lambda e: self._monitor.control.set_speed(e.value)).props(
                        'dense options-dense borderless aria-label="speed"'
                    )
                tool("photo_camera", "snapshot (s)", self._on_snapshot)
                if not replays:
                    self._record = tool("fiber_manual_record", "record (r)", self._on_record)
            if replays:
                self._timeline = (
                    ui.slider(min=1, max=max(1, self._count_pictures()), step=1, value=1, on_change=self._on_timeline)
                    .classes("vww-timeline")
                    .props('aria-label="place in the recording" id=timeline')
                )

    def _build_picture(self) -> None:
        with card("vww-shown", "What the model sees") as title:
            with title:
                self._source = ui.label("").classes("vww-right")
            with ui.element("div").classes("vww-picture"):
                self._picture = ui.element("img").classes("vww-crisp").props("id=shown")
                self._picture.props["alt"] = "the picture that the model saw"
                self._picture.on("load", self._on_drawn, args=[])
                self._veil = ui.label("").classes("vww-veil").mark("veil")
            with ui.element("div").classes("vww-buttons"):
                self._truth = ui.label("").classes("vww-empty vww-hint").props("id=truth")
                self._label_buttons = [
                    ui.button(icon=icon, color=None, on_click=partial(self._on_label, person)).props(
                        f"flat id={identity}"
                    )
                    for icon, person, identity in (
                        ("person_off", False, "label-none"),
                        ("person", True, "label-person"),
                    )
                ]
                self._undo = tool("undo", "take the last label back (u)", self._on_undo)

    def _build_raw(self) -> None:
        with card("vww-raw", "Raw picture") as title:
            with title:
                self._raw_size = ui.label("").classes("vww-right")
            with ui.element("div").classes("vww-picture"):
                self._raw = ui.element("img").props('alt="the picture before preprocessing" id=raw')
            if self._monitor.source.takes_pictures:
                upload = (
                    ui.upload(
                        multiple=True,
                        auto_upload=True,
                        max_file_size=_MAX_UPLOAD,
                        on_upload=self._on_upload,
                        on_rejected=lambda: self._say(f"Pictures up to {_MAX_UPLOAD >> 20} MB are taken.", bad=True),
                    )
                    .classes("vww-drop")
                    .props('accept="image/*" flat')
                )
                # Quasar's own button has no name and holds the file input, which a button must not.
                upload.add_slot(
                    "header",
                    """<q-btn flat no-caps label="Drop pictures here, or choose some" @click="props.pickFiles" />
                    <label class="vww-hidden">pictures <q-uploader-add-trigger /></label>""",
                )

    def _build_verdict(self) -> None:
        with card("vww-verdict", "Prediction") as title:
            assert title.parent_slot is not None
            self._verdict = title.parent_slot.parent
            self._label = ui.label("").classes("vww-label").props("id=prediction")
            with ui.element("div").classes("vww-chance"), ui.element("span"):
                self._chance_name = ui.label("").style("display: inline; margin-right: .3em")
                self._chance = ui.label("").classes("vww-number").style("display: inline").props("id=chance")
                ui.label("  threshold ").style("display: inline; margin-left: 10px")
                self._shown_threshold = (
                    ui.label("")
                    .classes("vww-number")
                    .style("display: inline; color: var(--mark)")
                    .props("id=threshold")
                )
            self._detail = ui.label("").classes("vww-detail").props("id=detail")
            with ui.element("div").classes("vww-track"):
                self._fill = ui.element("div").classes("vww-fill")
                self._mark = ui.element("div").classes("vww-mark")
            self._slider = (
                ui.slider(min=0, max=1, step=0.01, on_change=self._on_threshold)
                .classes("vww-slider")
                .props('color=amber-8 aria-label="threshold" id=slider')
            )
            text_in("h2", "Latency").classes("vww-title").style("margin-top: 2px")
            with ui.element("div").classes("vww-chance"):
                self._latency = ui.label("").classes("vww-number").style("display: inline; font-size: 22px")
                self._ticks = ui.label("").style("display: inline; margin-left: 10px")
            self._stages = _Rows("stages")

    def _build_charts(self) -> None:
        with card("vww-third", "Probability over time") as title:
            with title:
                self._charted_chance = ui.label("").classes("vww-right")
            self._chance_chart = ui.echart(line_chart("#0f9d63", maximum=1)).classes("vww-chart")
        with card("vww-third", "Latency over time") as title:
            with title:
                self._latency_unit = ui.label("").classes("vww-right")
            self._latency_chart = ui.echart(line_chart("#1581c4", maximum=None)).classes("vww-chart")

    def _build_layers(self) -> None:
        with card("vww-layers", "Latency by layer") as title:
            with title:
                self._layers_total = ui.label("").classes("vww-right")
            self._layer_rows = _Rows("layers")
            self._no_layers = ui.label("The board has not reported single layers.").classes("vww-empty")

    def _build_console(self) -> None:
        with card("vww-third", "Console"):
            self._console = ui.log(max_lines=200).classes("vww-console")
            self._console.props('id=console tabindex=0 role=log aria-label="console"')

    def _build_link(self) -> None:
        with card("vww-link", "Link"), ui.element("div").classes("vww-numbers"):
            self._fps = fact("pictures/s")
            self._results = fact("pictures")
            self._missed = fact("missed")
            self._in = fact("from board")
            self._out = fact("to board")
            self._skipped = fact("skipped")
            self._retries = fact("sent again")
            self._errors = fact("damaged")
            self._drops = fact("dropped")

    # -- drawing ----------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Bring the page to the newest view. Cheap when nothing changed."""
        view = self._monitor.view()
        now = time.time()
        self._draw_connection(view, now)
        if now - self._sent_at < _PATIENCE_S:
            return  # the browser has not drawn the last picture: what it cannot keep up with would only pile up
        if view.version != self._version:
            self._version = view.version
            self._draw_picture(view)
            self._draw_verdict(view)
            self._draw_layers(view)
            self._draw_console(view)
            self._draw_link(view)
        if now - self._charts_at >= _CHARTS_EVERY_S and view.results != self._charted:
            self._charts_at, self._charted = now, view.results
            self._draw_charts(view)

    def _draw_connection(self, view: MonitorView, now: float) -> None:
        word = {
            "connecting": "connecting",
            "connected": "connected",
            "lost": "board lost",
            "ended": "end of the recording" if self._monitor.source.replays else "ended",
        }[view.connection]
        veil = ""
        if view.connection == "lost":
            veil = f"The board is away. The page goes on when it is back.\n\n{view.reason}"
        elif view.connection == "ended" and not self._monitor.source.replays:
            veil = view.reason or "The session has ended."
        elif view.shown is None:
            veil = "Waiting for the first picture" if view.connection == "connected" else view.reason or "Connecting"
        elif view.paused and view.connection == "connected":
            word = "paused"
        elif (silent := view.silent_s(now)) is not None:
            word = f"no result for {silent:.0f} s"
        set_text(self._state, word)
        set_attribute(self._verdict, "data-away", str(int(view.connection == "lost")))
        set_attribute(self._state, "data-state", "paused" if word == "paused" else view.connection)
        set_text(self._veil, veil)
        self._veil.set_visibility(bool(veil))

    def _draw_picture(self, view: MonitorView) -> None:
        shown = view.shown
        if shown is None or (shown.picture.number, view.cells) == (self._number, self._cells):
            return
        self._number, self._cells = shown.picture.number, view.cells
        picture, raw = self._pictures.urls(view)
        if picture != self._picture.props.get("src"):  # else the browser has nothing to load
            self._picture.props["src"] = picture
            self._sent_at = time.time()
        self._picture.props["data-number"] = shown.picture.number
        self._picture.props["data-arrived"] = shown.arrived
        self._raw.props.set_optional("src", raw or None)
        set_text(self._source, file_name(shown.picture.source) or f"picture {shown.picture.number}")
        size = shown.picture.raw.shape if shown.picture.raw is not None else None
        set_text(self._raw_size, f"{size[1]} x {size[0]}" if size else "not sent by this board")

    def _draw_verdict(self, view: MonitorView) -> None:
        if view.threshold != self._threshold:
            self._threshold = view.threshold
            self._slider.set_value(view.threshold)
            set_text(self._shown_threshold, f"{view.threshold:.2f}")
            self._mark.style(f"left: {100 * view.threshold:.1f}%")
        set_attribute(self._pause, "icon", "play_arrow" if view.paused else "pause")
        without, with_person = view.labelled
        negative, positive = view.outputs.known_as
        said = "" if view.truth is None else f"This picture: {positive if view.truth else negative}. "
        set_text(self._truth, f"{said}Labelled: {with_person} {positive}, {without} {negative}")
        for button, person, name in zip(self._label_buttons, (False, True), (negative, positive), strict=True):
            set_attribute(button, "aria-pressed", str(view.truth is person).lower())
            set_text(button, name[:1].upper() + name[1:])
        if isinstance(source := self._monitor.source, Replay) and self._timeline.value != source.position:
            self._placed = source.position
            self._timeline.set_value(source.position)
        set_text(
            self._recording,
            "● REC" if view.recording else view.recording_failed and f"Recording stopped: {view.recording_failed}",
        )
        if view.shown is None:
            return
        result = view.shown.result
        set_text(self._label, view.label)
        set_text(self._detail, view.detail)
        for element in (self._chance_name, self._charted_chance):
            set_text(element, view.outputs.chance)
        for coloured in (self._label, self._fill):
            set_attribute(coloured, "data-person", str(int(bool(view.person))))
        set_text(self._chance, f"{result.p_person:.1%}")
        self._fill.style(f"width: {100 * result.p_person:.1f}%")
        clock, clock_hz = (view.board.clock, view.board.clock_hz) if view.board else ("micros", 1_000_000)
        if result.latency_us is None:
            set_text(self._latency, ticks(result.ticks, clock))
            set_text(self._ticks, str(estimate(result.ticks, view.estimate_for) or ""))
        else:
            set_text(self._latency, milliseconds(result.latency_us))
            set_text(self._ticks, "" if clock == "micros" else ticks(result.ticks, clock))
        self._stages.show([(name, count, spent(count, clock, clock_hz)) for name, count in result.stages])

    def _draw_layers(self, view: MonitorView) -> None:
        if view.layers == self._layers:
            return
        self._layers = view.layers
        total = sum(count for _, count in view.layers) or 1
        clock = view.board.clock if view.board else "ticks"
        self._layer_rows.show([(name, count, f"{count / total:.1%}") for name, count in view.layers])
        set_text(self._layers_total, ticks(total, clock) if view.layers else "")
        self._no_layers.set_visibility(not view.layers)

    def _draw_console(self, view: MonitorView) -> None:
        for line in view.lines[-_LINES_AT_ONCE:]:
            if line.serial > self._line:
                self._console.push(line.text or " ", classes="vww-notice" if line.notice else None)
        if view.lines:
            self._line = view.lines[-1].serial

    def _draw_link(self, view: MonitorView) -> None:
        set_text(self._fps, f"{view.fps:.1f}")
        set_text(self._results, f"{view.results:,}")
        set_text(self._missed, f"{view.missed:,}")
        set_text(self._skipped, f"{view.skipped:,}")
        if view.link is not None:
            set_text(self._in, rate(view.bytes_in_per_s))
            set_text(self._out, rate(view.bytes_out_per_s))
            set_text(self._retries, f"{view.link.retries:,}")
            set_text(self._errors, f"{view.link.errors:,}")
            set_text(self._drops, f"{view.link.drops:,}")
        if view.board is not None:
            board = view.board
            set_text(self._facts, f"{board.model} · SHA-256 {board.model_sha256[:12]} · firmware {board.firmware}")
            if not self._monitor.source.replays and self._ports.value != board.port:
                self._ports.set_options(
                    {**dict(self._ports.options), board.port: f"{board.board} · {board.port}"}, value=board.port
                )

    def _draw_charts(self, view: MonitorView) -> None:
        chances = view.line(lambda point: round(point.p_person, 4))
        counted = view.board is not None and view.board.clock == COUNTED
        scale = 1e6 if counted or view.board is None else view.board.clock_hz / 1000
        latencies = view.line(lambda point: point.ticks / scale)
        set_text(self._latency_unit, "million instructions" if counted else "ms")
        mark = {"data": [{"yAxis": view.threshold}]}
        self._chance_chart.run_chart_method("setOption", {"series": [{"data": chances, "markLine": mark}]})
        self._latency_chart.run_chart_method("setOption", {"series": [{"data": latencies}]})

    # -- what the user does -----------------------------------------------------------------------------------------

    def _on_drawn(self) -> None:
        self._sent_at = 0.0
        self.refresh()

    def _on_pause(self) -> None:
        self._monitor.pause(not self._monitor.control.paused)

    def _on_threshold(self, event: events.ValueChangeEventArguments[Any]) -> None:
        if event.value is not None and event.value != self._threshold:
            self._monitor.set_threshold(float(event.value))

    async def _on_snapshot(self) -> None:
        await self._try(partial(self._monitor.snapshot, self._number), "Saved {}")

    async def _on_label(self, person: bool) -> None:
        await self._try(partial(self._monitor.label, person, self._number), "Labelled: {}")

    async def _on_undo(self) -> None:
        await self._try(self._monitor.undo_label, "Taken back: {}")

    def _count_pictures(self) -> int:
        return self._monitor.source.pictures if isinstance(self._monitor.source, Replay) else 0

    def _on_timeline(self, event: events.ValueChangeEventArguments[Any]) -> None:
        if event.value is not None and event.value != self._placed:
            self._placed = int(event.value)
            self._monitor.seek(self._placed)

    def _say(self, text: str, *, bad: bool = False) -> None:
        """In a line of its own, where it covers nothing, until the next."""
        set_attribute(self._said, "data-bad", str(int(bad)))
        self._said.set_text(text)

    async def _on_record(self) -> None:
        if self._monitor.view().recording:
            await self._try(self._monitor.stop_recording, "Recorded {}")
        else:
            await self._try(self._monitor.start_recording, "Recording to {}")

    async def _on_upload(self, event: events.UploadEventArguments) -> None:
        name = event.file.name

        def send() -> str:
            check_picture(data, name)  # says what is wrong with it before the board is troubled
            self._monitor.send(name, data)
            return name

        async with _ONE_PICTURE:
            data = await event.file.read()
            await self._try(send, "{} goes to the board")
        if isinstance(event.sender, ui.upload):
            event.sender.reset()

    async def _try(self, action: Callable[[], Any], done: str) -> None:
        """Do something that takes time, away from the page's loop; say what came of it, as text."""
        try:
            result = await run.io_bound(action)
        except VwwError as error:
            self._say(error.message + (f". {error.hint}" if error.hint else ""), bad=True)
        else:
            self._say(done.format(result))

    async def _on_key(self, event: events.KeyEventArguments) -> None:
        if not event.action.keydown or event.modifiers.ctrl or event.modifiers.alt or event.modifiers.meta:
            return
        match event.key.name:
            case " ":
                self._on_pause()
            case "u":
                await self._on_undo()
            case "s":
                await self._on_snapshot()
            case "1" | "0":
                await self._on_label(event.key.name == "1")
            case "r" if not self._monitor.source.replays:
                await self._on_record()
            case "ArrowRight" if self._monitor.source.replays:
                self._monitor.step(1)
            case "ArrowLeft" if self._monitor.source.replays:
                self._monitor.step(-1)

    def _on_port(self, event: events.ValueChangeEventArguments[Any]) -> None:
        board = self._monitor.view().board
        if event.value and (board is None or event.value != board.port):
            self._monitor.control.choose(event.value)

    async def _list_ports(self) -> None:
        """The boards to choose from, as they come and go."""
        listed = dict(await run.io_bound(self._monitor.source.ports) or ())
        board = self._monitor.view().board
        if board is not None:
            listed = {port: f"{name} · {port}" for port, name in {**listed, board.port: board.board}.items()}
        if listed != self._ports.options:
            self._ports.set_options(listed, value=board.port if board else None)


class _Rows:
    """Bars with a name and a figure each; only what changed is sent."""

    def __init__(self, identity: str) -> None:
        self._box = ui.element("div").classes("vww-rows").props(f"id={identity} tabindex=0 role=group")
        self._box.props["aria-label"] = identity
        self._names: list[str] = []
        self._cells: list[tuple[ui.element, ui.label]] = []

    def show(self, rows: Sequence[tuple[str, int, str]]) -> None:
        """Name, size of the bar in any unit, figure."""
        if [name for name, _, _ in rows] != self._names:
            self._names = [name for name, _, _ in rows]
            self._cells = []
            self._box.clear()
            with self._box:
                for name in self._names:
                    ui.label(name)
                    with ui.element("div").classes("vww-line"):
                        bar = ui.element("div")
                    self._cells.append((bar, ui.label("")))
        most = max((size for _, size, _ in rows), default=0) or 1
        for (bar, figure), (_, size, text) in zip(self._cells, rows, strict=True):
            bar.style(f"width: {100 * size / most:.0f}%")
            set_text(figure, text)
