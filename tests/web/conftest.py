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
from typing import Any, cast

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tests.support import ROOT

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


class Browsers:
    """Opens browsers that reach this computer only: no page can lean on the internet."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._opened: list[webdriver.Chrome] = []

    def __enter__(self) -> Browsers:
        return self

    def __exit__(self, *_: object) -> None:
        for browser in self._opened:
            browser.quit()

    def new(self, width: int = 1280, height: int = 960) -> webdriver.Chrome:
        chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
        if not chromium or not driver:
            pytest.skip("needs Debian's chromium and chromium-driver")
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
            f"--user-data-dir={self._folders.mktemp('chromium')}",
            f"--window-size={width},{height}",
        ):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        browser = webdriver.Chrome(options=options, service=Service(driver))
        self._opened.append(browser)
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.set_page_load_timeout(60)
        return browser


class Servers:
    """Starts commands that serve a page and print its URL; the generated board's by default."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._started: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            process.terminate()
        for process in self._started:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, *arguments: str, command: list[str] | None = None) -> Server:
        folder = self._folders.mktemp("page") / "out"
        port = str(free_port())
        generated = [sys.executable, "-m", "tests.web.page_server", port, str(folder), *arguments]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        process = subprocess.Popen(
            [word.format(port=port, folder=folder) for word in command] if command else generated,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env=clean,  # NiceGUI behaves otherwise when it sees pytest's variables
        )
        self._started.append(process)
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if "http://" in line:
                url = next(word for word in line.split() if word.startswith("http://"))
                return Server(url, folder, process)
        raise AssertionError(f"the page was not served: {said}")


@pytest.fixture
def new_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewBrowser]:
    """Opens browsers that end with the test: a page drawn ten times a second slows all that comes after."""
    with Browsers(tmp_path_factory) as browsers:
        yield browsers.new


@pytest.fixture
def start_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Starts page servers that end with the test."""
    with Servers(tmp_path_factory) as servers:
        yield servers.start


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """One browser for all tests that need no other: starting it takes longer than most of them."""
    with Browsers(tmp_path_factory) as browsers:
        yield browsers.new()


@pytest.fixture(scope="session")
def generated_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The generated board's page."""
    with Servers(tmp_path_factory) as servers:
        yield servers.start()


def logged(browser: webdriver.Chrome, kind: str) -> list[dict[str, Any]]:
    """What Chromium has logged of a kind since it was asked last."""
    return list(cast(Any, browser).get_log(kind))


@pytest.fixture
def page(generated_page: Server, browser: webdriver.Chrome) -> Iterator[Server]:
    """The generated board's page as it was at the beginning, opened anew in the browser."""
    generated_page.tell("reset")
    logged(browser, "performance")
    logged(browser, "browser")
    browser.get(generated_page.url)
    yield generated_page
    browser.get("about:blank")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
