"""Real Chromium, and pages served by processes of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

NewBrowser = Callable[..., webdriver.Chrome]


@dataclass
class Server:
    """A page server: its URL (with the token if it needs one), its folder, and its process."""

    url: str
    folder: Path
    process: subprocess.Popen[str]

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()


@pytest.fixture(scope="session")
def new_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewBrowser]:
    """Opens browsers that reach this computer only: no page can lean on the internet."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("needs Debian's chromium and chromium-driver")
    opened: list[webdriver.Chrome] = []

    def new(width: int = 1280, height: int = 960) -> webdriver.Chrome:
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
            f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
            f"--window-size={width},{height}",
        ):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        browser = webdriver.Chrome(options=options, service=Service(driver))
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.set_page_load_timeout(60)
        opened.append(browser)
        return browser

    yield new
    for browser in opened:
        browser.quit()


@pytest.fixture(scope="session")
def browser(new_browser: NewBrowser) -> webdriver.Chrome:
    """One browser for all tests that need no other: starting it takes longer than most of them."""
    return new_browser()


@pytest.fixture(scope="session")
def start_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Starts a command that serves a page and prints its URL; the generated board's by default."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, command: list[str] | None = None) -> Server:
        folder = tmp_path_factory.mktemp("page") / "out"
        port = str(free_port())
        generated = [sys.executable, str(Path(__file__).with_name("page_server.py")), port, str(folder), *arguments]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        process = subprocess.Popen(
            [word.format(port=port, folder=folder) for word in command] if command else generated,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=clean,  # NiceGUI behaves otherwise when it sees pytest's variables
        )
        started.append(process)
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if "http://" in line:
                url = next(word for word in line.split() if word.startswith("http://"))
                return Server(url, folder, process)
        raise AssertionError(f"the page was not served: {said}")

    yield start
    for process in started:
        process.terminate()
    for process in started:
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def generated_page(start_page: Callable[..., Server]) -> Server:
    """The generated board's page."""
    return start_page()


@pytest.fixture
def page(generated_page: Server, browser: webdriver.Chrome) -> Server:
    """The generated board's page as it was at the beginning, opened anew in the browser."""
    generated_page.tell("reset")
    browser.get_log("performance")
    browser.get_log("browser")
    browser.get(generated_page.url)
    return generated_page


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
