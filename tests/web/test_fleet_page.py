"""The page of a fleet in a real browser: boards, rate, failures, and a fleet that goes and comes back."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest

from tests.web.conftest import logged
from tests.web.fleet_server import HOSTILE
from tests.web.test_page import serious, text, wait_for

pytestmark = pytest.mark.web

SERVER = [sys.executable, "-m", "tests.web.fleet_server", "{port}"]


def rows(browser: Any) -> list[list[str]]:
    found: list[list[str]] = browser.execute_script(
        "return [...document.querySelectorAll('#table tbody tr')].map(r => [...r.children].map(c => c.textContent))"
    )
    return found


def test_boards_rate_and_failures_as_they_come(new_browser: Any, start_page: Any) -> None:
    page, browser = start_page(command=SERVER), new_browser()
    browser.get(page.url)
    wait_for(lambda: text(browser, "#boards") == "6" and text(browser, "#state") == "connected")
    assert (text(browser, "#working"), text(browser, "#aside"), text(browser, "#failures")) == ("2", "0", "0")
    assert "tls://scheduler:8786" in text(browser, "header")
    wait_for(lambda: 5 < float(text(browser, "#rate") or 0) < 15)
    wait_for(lambda: re.fullmatch(r"1,\d\d\d", text(browser, "#results")))
    names = [row[:4] for row in rows(browser)]
    assert names[0] == ["feather_f405", "F0", "desk", "free"]
    assert names[-2:] == [["nano33ble", HOSTILE, "shelf", "works"], ["nano33ble", "A1", "desk", "works"]]
    wait_for(lambda: browser.execute_script("return document.querySelectorAll('.vww-chart canvas').length == 1"))

    page.tell("fail")
    wait_for(lambda: text(browser, "#failures") == "1" and f"nano33ble {HOSTILE}: {HOSTILE}" in text(browser, "#log"))
    page.tell("aside")
    wait_for(
        lambda: text(browser, "#aside") == "1" and rows(browser)[-2][3:] == ["set aside", "0.0", "7", "1", HOSTILE]
    )
    assert browser.title == "vww-deploy fleet"
    assert browser.execute_script("return document.querySelector('#injected')") is None

    page.tell("gone")
    wait_for(lambda: text(browser, "#state") == "the scheduler is gone" and rows(browser) == [])
    page.tell("back")
    wait_for(lambda: text(browser, "#state") == "connected" and len(rows(browser)) == 6)
    assert text(browser, "#log").count("onerror") == 2  # one failure, which is said once
    assert [entry["message"] for entry in logged(browser, "browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_is_for_everybody(new_browser: Any, start_page: Any, width: int, scheme: str) -> None:
    page, browser = start_page(command=SERVER), new_browser(width, 900)
    medium = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", medium)
    browser.get(page.url)
    page.tell("fail")
    page.tell("aside")
    wait_for(lambda: text(browser, "#aside") == "1" and text(browser, "#log"))
    assert serious(browser) == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
