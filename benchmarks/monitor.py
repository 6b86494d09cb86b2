"""The monitor's bars: latency to the page, CPU, memory. No board: events come from the tests' generated board.

    python benchmarks/monitor.py [--seconds 30]

Prints the table of docs/benchmarks.md, "Monitor". Needs chromium and chromedriver.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import platform
import pty
import select
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

PAGE = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from tests.support.generated_source import GeneratedSource
from vww_deploy.monitor.monitor import Monitor
from vww_deploy.monitor.web import serve
from vww_deploy.graph.model import Model
from vww_deploy.session.live import Live, board_at
from vww_deploy.pictures.gather import gather
if __name__ in ("__main__", "__mp_main__"):
    with Monitor({source}, folder=Path({folder!r})) as monitor:
        {before}
        serve(monitor, port={port}, open_browser=False, announce=lambda url: print(url, flush=True))
"""
LIVE = "Live(board_at(Model.load(), 'virtual'), Model.load(), gather([{photos!r}]))"
TERMINAL = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from tests.support.generated_source import GeneratedSource
from vww_deploy.monitor.monitor import Monitor
from vww_deploy.monitor.terminal import watch
with Monitor(GeneratedSource(fps=10), folder=Path({folder!r})) as monitor:
    watch(monitor)
"""
# In the page: how long after its arrival in the monitor each picture is decoded and in the next picture on the screen.
WATCH = """
window.delays = [];
const picture = document.querySelector('#shown');
new MutationObserver(async () => {
    const arrived = Number(picture.dataset.arrived), number = picture.dataset.number;
    if (number === window.last) return;
    window.last = number;
    await picture.decode().catch(() => {});
    requestAnimationFrame(() => window.delays.push(Date.now() - arrived * 1000));
}).observe(picture, {attributes: true});
"""


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def start_page(
    fps: float, folder: str, port: int, *, record: bool = False, source: str = "GeneratedSource(fps={fps})"
) -> subprocess.Popen[str]:
    """A page in a process of its own, ready to be opened."""
    before = "monitor.start_recording()" if record else "pass"
    source = source.format(fps=fps)
    code = PAGE.format(tests=str(ROOT), source=source, folder=folder, port=port, before=before)
    script = Path(folder) / "page.py"
    script.write_text(code)
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def open_browser(port: int) -> object:
    """Chromium with the page, its delays being counted."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"):
        options.add_argument(flag)
    for flag in ("--disable-component-update", "--disable-sync", f"--user-data-dir={tempfile.mkdtemp()}"):
        options.add_argument(flag)
    options.add_argument("--window-size=1280,960")
    browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    browser.get(f"http://127.0.0.1:{port}/")
    until = time.monotonic() + 60
    while int(browser.execute_script("return document.querySelector('#shown')?.dataset.number ?? 0")) < 50:
        if time.monotonic() > until:
            raise SystemExit("the page shows no pictures")
        time.sleep(0.2)  # the start itself is not what is measured
    browser.execute_script(WATCH)
    return browser


def web(seconds: float, *, record: bool) -> None:
    """Latency and CPU of the page at 10 pictures a second with one browser."""
    with tempfile.TemporaryDirectory() as folder:
        process = start_page(10, folder, 8511, record=record)
        browser = open_browser(8511)
        try:
            begin, used = time.monotonic(), cpu_seconds(process.pid)
            time.sleep(seconds)
            used, elapsed = cpu_seconds(process.pid) - used, time.monotonic() - begin
            delays = sorted(browser.execute_script("return window.delays"))  # type: ignore[attr-defined]
        finally:
            browser.quit()  # type: ignore[attr-defined]
            process.terminate()
            process.wait()
    what = "web page, recording" if record else "web page"
    p95 = delays[int(0.95 * len(delays))]
    print(
        f"| {what}: result to page, 10 pictures/s | median {statistics.median(delays):.0f} ms, p95 {p95:.0f} ms, "
        f"max {delays[-1]:.0f} ms ({len(delays)} pictures in {elapsed:.0f} s) | < 200 ms |"
    )
    print(f"| {what}: CPU of the monitor | {used / elapsed:.2f} of a core | < 0.5 |")


def terminal(seconds: float) -> None:
    """CPU of the terminal at 10 pictures a second, 80 x 24, half blocks in true colour."""
    with tempfile.TemporaryDirectory() as folder:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        code = TERMINAL.format(tests=str(ROOT), folder=folder)
        env = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        env.pop("TMUX", None)
        process = subprocess.Popen([sys.executable, "-c", code], stdin=slave, stdout=slave, env=env)
        drawn = 0
        done = threading.Event()

        def read() -> None:
            nonlocal drawn
            while not done.is_set():
                if select.select([master], [], [], 0.1)[0]:
                    drawn += len(os.read(master, 65536))

        reader = threading.Thread(target=read)
        reader.start()
        time.sleep(5)
        begin, used, bytes_before = time.monotonic(), cpu_seconds(process.pid), drawn
        time.sleep(seconds)
        elapsed, used, written = time.monotonic() - begin, cpu_seconds(process.pid) - used, drawn - bytes_before
        process.kill()
        process.wait()
        done.set()
        reader.join()
    print(f"| terminal: CPU at 10 pictures/s, 80 x 24 | {used / elapsed:.2f} of a core | < 0.5 |")
    print(f"| terminal: bytes to the terminal (over ssh) | {written / elapsed / 1000:.0f} kB/s | |")


def hour() -> None:
    """An hour at 10 pictures a second, as fast as it goes: memory on the way, CPU a picture takes."""
    from tests.support.generated_source import GeneratedSource
    from vww_deploy.monitor.monitor import Monitor

    class Watched(GeneratedSource):
        """Notes memory and time on the way."""

        def events(self, control):  # type: ignore[no-untyped-def]
            for count, event in enumerate(super().events(control)):
                if count % 2000 == 0:
                    notes.append((time.process_time(), resident_mib(os.getpid())))
                yield event

    notes: list[tuple[float, float]] = []
    with Monitor(Watched(fps=0, pictures=36_000), folder=Path("not-written")) as monitor:
        while monitor.view().connection != "ended":
            time.sleep(0.1)
        results = monitor.view().results
    tenth = notes[len(notes) // 6][1]
    most = max(mib for _, mib in notes[len(notes) // 6 :])
    per_picture = (notes[-1][0] - notes[0][0]) / results * 1e6
    print(
        f"| an hour at 10 pictures/s ({results:,} pictures): memory | {tenth:.1f} MiB after 10 minutes, "
        f"{most - tenth:+.1f} MiB at most after that | flat |"
    )
    print(f"| work for a picture and its result, without a front end | {per_picture:.0f} µs of CPU | |")


def page_memory(seconds: float) -> None:
    """The server's and the page's memory at 100 pictures a second: ten times an hour's pace."""
    with tempfile.TemporaryDirectory() as folder:
        process = start_page(100, folder, 8512)
        browser = open_browser(8512)
        try:
            notes = []
            for _ in range(6):
                time.sleep(seconds / 6)
                browser.execute_cdp_cmd("HeapProfiler.collectGarbage", {})  # type: ignore[attr-defined]
                heap = browser.execute_script("return performance.memory.usedJSHeapSize")  # type: ignore[attr-defined]
                notes.append((resident_mib(process.pid), heap / 2**20))
            pictures = browser.execute_script("return document.querySelector('#shown').dataset.number")  # type: ignore[attr-defined]
        finally:
            browser.quit()  # type: ignore[attr-defined]
            process.terminate()
            process.wait()
    server = ", ".join(f"{mib:.0f}" for mib, _ in notes)
    page = ", ".join(f"{mib:.0f}" for _, mib in notes)
    print(
        f"| web page at 100 pictures/s for {seconds:.0f} s ({pictures} pictures): memory, six times | "
        f"{server} MiB | flat |"
    )
    print(f"| the same: the page's JavaScript heap | {page} MiB | flat |")


def board(seconds: float) -> None:
    """Pictures a second of the virtual board: alone, and watched by a page with a browser, recorded."""
    import itertools

    from vww_deploy.errors import BoardError
    from vww_deploy.graph.model import Model
    from vww_deploy.pictures.preprocess import open_picture
    from vww_deploy.pictures.samples import write_samples
    from vww_deploy.session.live import board_at

    model = Model.load()
    with tempfile.TemporaryDirectory() as folder:
        paths = write_samples(Path(folder) / "photos")
        inputs = [model.to_input(open_picture(path.read_bytes())) for path in paths]
        try:
            with board_at(model, "virtual")(None) as device:
                until, alone = time.monotonic() + seconds, 0
                for _ in device.infer_many(itertools.cycle(inputs)):
                    alone += 1
                    if time.monotonic() > until:
                        break
        except BoardError:
            print("| the virtual board is off: vww-deploy flash --board virtual | | |")
            return
        process = start_page(0, folder, 8513, record=True, source=LIVE.format(photos=str(Path(folder) / "photos")))
        browser = open_browser(8513)
        try:
            shown = "return Number(document.querySelector('#shown').dataset.number)"
            begin, first = time.monotonic(), browser.execute_script(shown)  # type: ignore[attr-defined]
            time.sleep(seconds)
            watched = (browser.execute_script(shown) - first) / (time.monotonic() - begin)  # type: ignore[attr-defined]
        finally:
            browser.quit()  # type: ignore[attr-defined]
            process.terminate()
            process.wait()
    print(
        f"| virtual board, pictures/s alone; with monitor, page and recording | {alone / seconds:.1f}; {watched:.1f} "
        f"| not slower |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each measurement (default: 30)")
    seconds = parser.parse_args().seconds
    load = os.getloadavg()[0]
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load average {load:.1f} at the beginning, Python "
        f"{platform.python_version()}\n"
    )
    print("| what | measured | bar |\n|---|---|---|")
    hour()
    web(seconds, record=False)
    web(seconds, record=True)
    terminal(seconds)
    page_memory(2 * seconds)
    board(seconds)


if __name__ == "__main__":
    main()
