"""Makes the pictures of docs/images: both faces of the monitor, and a report.

    python docs/screenshots.py [MODEL]

Flashes the virtual board with the model (the shipped one by default), streams scikit-image's photographs to it, and
looks at the page in Chromium (at 1280 pixels and as a phone), at the terminal through rich, and at the report of the
recording.
"""

from __future__ import annotations

import base64
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.segment import Segment
from rich.text import Text

from vww_deploy.boards.flash import flash
from vww_deploy.compiler import compile_model
from vww_deploy.graph.model import Model
from vww_deploy.monitor.graphics import Colours, half_blocks
from vww_deploy.monitor.monitor import Monitor
from vww_deploy.monitor.screen import draw
from vww_deploy.pictures.gather import gather
from vww_deploy.pictures.samples import write_samples
from vww_deploy.runs.report import write_report
from vww_deploy.runs.rundata import load_run
from vww_deploy.session.live import LiveSource, board_at

IMAGES: Final = Path(__file__).parent / "images"
PORT: Final = 8599
_SIZE: Final = (80, 24)


def main() -> None:
    model = Model.load(sys.argv[1] if len(sys.argv) > 1 else None)
    flash(compile_model(model.path), "virtual")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_samples(work / "photos")
        source = LiveSource(board_at("virtual"), model, gather([str(work / "photos")]), fps=4, title="virtual")
        with Monitor(source, folder=work / "out") as monitor:
            monitor.wait_connected()
            recording = monitor.start_recording(work / "session.vwwrec")
            from vww_deploy.monitor.web import serve

            def take() -> None:
                time.sleep(15)  # some history for the charts
                pause_at(monitor, "astronaut.png")
                terminal(monitor, work)
                shoot(IMAGES / "monitor-web.png", f"http://127.0.0.1:{PORT}/", 1280, 960, ready=8)
                shoot(IMAGES / "monitor-phone.png", f"http://127.0.0.1:{PORT}/", 390, 844, ready=8)
                monitor.stop_recording()
                write_report(load_run(str(recording)), work / "report.html")
                shoot(IMAGES / "report.png", (work / "report.html").as_uri(), 1180, 900, ready=4)
                done.set()
                from nicegui import app

                app.shutdown()

            done = threading.Event()
            threading.Thread(target=take, daemon=True).start()
            serve(monitor, port=PORT, open_browser=False)
            assert done.is_set(), "the server ended before the pictures were taken"
    print(*sorted(IMAGES.glob("*.png")), sep="\n")


def pause_at(monitor: Monitor, name: str) -> None:
    """Pause, and step to a picture."""
    monitor.pause(True)
    time.sleep(2)
    while (shown := monitor.view().shown) is None or not shown.picture.source.endswith(name):
        seen = monitor.view().results
        monitor.control.step(1)
        while monitor.view().results == seen:
            time.sleep(0.05)


def terminal(monitor: Monitor, work: Path) -> None:
    """The terminal face through rich's SVG export; the picture's half blocks go where the page leaves them room."""
    console = Console(width=_SIZE[0], height=_SIZE[1], record=True, force_terminal=True, color_system="truecolor")
    console.file = (work / "unseen").open("w")
    view = monitor.view()
    page = draw(console, view, title="virtual")
    hole = page.hole
    assert hole is not None and view.shown is not None
    picture = half_blocks(view.shown.picture.pixels, hole.rows, hole.columns, Colours.TRUE)
    for y, line in enumerate(page.lines):
        row = line
        if 0 <= y - hole.top < hole.rows:
            left, _, right = Segment.divide(line, [hole.left, hole.left + hole.columns, _SIZE[0]])
            row = [*left, *Text.from_ansi(picture[y - hole.top]).render(console), *right]
        console.print(
            Text.assemble(*((s.text, s.style or "") for s in row if s.text != "\n")), end="\n", soft_wrap=True
        )
    svg = console.export_svg(title="vww-deploy monitor")
    (work / "terminal.html").write_text(f"<body style='margin:0;background:#fff'>{svg}</body>")
    shoot(IMAGES / "monitor-terminal.png", (work / "terminal.html").as_uri(), 1240, 800, ready=1, element="svg")


def shoot(target: Path, url: str, width: int, height: int, *, ready: float, element: str = "") -> None:
    """A picture of a page; of one element of it if that is given."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    flags = ("headless=new", "no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update")
    for flag in (*flags, "disable-sync", "hide-scrollbars", f"user-data-dir={tempfile.mkdtemp()}"):
        options.add_argument(f"--{flag}")
    browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.get(url)
        time.sleep(ready)
        if element:
            target.write_bytes(base64.b64decode(browser.find_element("css selector", element).screenshot_as_base64))
        else:
            browser.save_screenshot(str(target))
    finally:
        browser.quit()


if __name__ in ("__main__", "__mp_main__"):
    main()
