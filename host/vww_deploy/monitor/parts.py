"""What the web pages share: how one is served and to whom, and the parts that it is made of."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from vww_deploy.errors import ToolMissing, VwwError
from vww_deploy.monitor import access
from vww_deploy.resources import install_extra

try:
    from nicegui import app, background_tasks, events, run, ui
    from nicegui.elements.mixins.text_element import TextElement
except ImportError as error:
    raise ToolMissing("the web page needs NiceGUI, which is not installed", hint=install_extra("web")) from error

__all__ = [
    "DEFAULT_PORT",
    "card",
    "dress",
    "events",
    "fact",
    "line_chart",
    "run",
    "serve_page",
    "set_attribute",
    "set_text",
    "text_in",
    "tool",
    "ui",
]

DEFAULT_PORT: Final = 8427

_CSS: Final = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")


def serve_page(
    build: Callable[[], object],
    title: str,
    *,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    open_browser: bool = True,
    announce: Callable[[str], None] = lambda url: None,
    largest_request: int = 65536,
) -> None:
    """Serve a page until interrupted (Ctrl-C).

    Args:
        build: called for each browser; makes the page's elements.
        title: of the page.
        host: address to listen on. Any but this computer's own makes a token and asks for it.
        port: TCP port.
        open_browser: show the page in the user's browser.
        announce: called with the page's URL once it can be opened.
        largest_request: bytes.

    Raises:
        VwwError: nothing can be served at that address and port.
    """
    _check_free(host, port)
    token = "" if access.is_local(host) else access.new_token()
    path = f"/?token={token}" if token else "/"

    @ui.page("/", title=title, dark=None, language="en-US")  # light or dark as the system wishes
    def page() -> None:
        build()

    app.add_middleware(access.BodyLimit, most=largest_request)
    app.add_middleware(access.Guard, token=token)
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"
    app.on_startup(lambda: background_tasks.create(_when_listening(host, port, partial(announce, url))))
    ui.run(
        host=host,
        port=port,
        show=path if open_browser else False,
        reload=False,
        tailwind=False,
        favicon="📷",
        show_welcome_message=False,
        reconnect_timeout=15.0,  # a busy computer or a phone that slept a moment need no reload
        message_history_length=50,
        binding_refresh_interval=None,
        headers=list(access.HEADERS),
        server_header=False,
        ws_per_message_deflate=False,  # pictures are PNG: compressing them again costs time and gains nothing
    )


def _check_free(host: str, port: int) -> None:
    """The server itself would only log that it could not listen."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise VwwError(
            f"the page cannot be served at {host}, port {port}: {error.strerror or error}",
            hint="Is another monitor running? --web-port names another port, --host another address.",
        ) from error


async def _when_listening(host: str, port: int, action: Callable[[], None]) -> None:
    """The server listens some time after its start; who follows the URL at once should find it."""
    while True:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        action()
        return


def dress() -> None:
    """The style and the colours of a page."""
    ui.add_css(_CSS)
    ui.colors(primary="#1581c4", positive="#0f9d63", negative="#d23f3f", dark="#151a22", dark_page="#0c0f14")


@contextmanager
def card(span: str, title: str) -> Iterator[ui.element]:
    """A card of the grid; gives its title line."""
    with ui.element("section").classes(f"vww-card {span}"):
        with ui.element("div").classes("vww-title") as head:
            text_in("h2", title)
        yield head


def text_in(tag: str, text: str) -> TextElement:
    """Text in an element of HTML's own."""
    return TextElement(tag=tag, text=text)


def fact(name: str) -> ui.label:
    """A figure under its name."""
    with ui.element("div").classes("vww-fact"):
        ui.label(name)
        return ui.label("–")


def tool(icon: str, what: str, action: Callable[[], Any]) -> ui.button:
    """A button of the bar."""
    button = ui.button(icon=icon, color=None, on_click=action).props(f'flat dense aria-label="{what}"')
    return button.tooltip(what)


def set_text(label: TextElement, text: str) -> None:
    if label.text != text:
        label.set_text(text)


def set_attribute(element: ui.element, name: str, value: str) -> None:
    if element.props.get(name) != value:
        element.props[name] = value


def line_chart(colour: str, maximum: float | None) -> dict[str, Any]:
    """Options of a line over time."""
    grid_line = {"lineStyle": {"color": "#8d97a840"}}
    return {
        "animation": False,
        "grid": {"left": 40, "right": 12, "top": 10, "bottom": 52},
        # The newest half is shown; the rest is a drag of the bar, or of the chart itself, away.
        "dataZoom": [
            {"type": "inside", "start": 50, "end": 100},
            {"type": "slider", "start": 50, "end": 100, "height": 16, "bottom": 6, "showDetail": False},
        ],
        "xAxis": {
            "type": "time",
            "splitNumber": 3,
            "axisLabel": {"color": "#7f8a9c", "hideOverlap": True, "formatter": "{HH}:{mm}:{ss}"},
            "axisLine": {"lineStyle": {"color": "#8d97a8"}},
            "splitLine": {"show": False},
        },
        "yAxis": {
            "type": "value",
            "min": 0,
            "max": maximum,
            "axisLabel": {"color": "#7f8a9c"},
            "splitLine": grid_line,
        },
        "series": [
            {
                "type": "line",
                "data": [],
                "showSymbol": False,
                "step": "end" if maximum else False,
                "lineStyle": {"color": colour, "width": 1.6},
                "itemStyle": {"color": colour},
                "areaStyle": {"color": colour, "opacity": 0.12},
                "markLine": {
                    "silent": True,
                    "symbol": "none",
                    "label": {"show": False},
                    "lineStyle": {"color": "#d98e04", "type": "solid", "width": 1.2},
                    "data": [],
                },
            }
        ],
    }
