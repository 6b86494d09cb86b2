"""A run's report in real Chromium: everything is drawn, nothing is fetched."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from tests.support.generated_source import GeneratedSource
from tests.web.conftest import logged
from tests.web.test_page import serious
from vww_deploy.runs.boards import compare_boards
from vww_deploy.runs.recording import Recorder
from vww_deploy.runs.report import write_boards_report, write_report
from vww_deploy.runs.rundata import load_run
from vww_deploy.session.source import Control

pytestmark = pytest.mark.web


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_report_draws_itself_without_any_network(new_browser: Any, tmp_path: Path, width: int, scheme: str) -> None:
    with Recorder(tmp_path / "a.vwwrec") as recorder:
        for event in GeneratedSource(fps=0, pictures=40).events(Control()):
            recorder.add(event)
    write_report(load_run(str(tmp_path / "a.vwwrec")), tmp_path / "report.html")
    browser: webdriver.Chrome = new_browser(width, 900)
    medium = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", medium)
    browser.get((tmp_path / "report.html").as_uri())
    plots = browser.find_elements(By.CSS_SELECTOR, "svg.chart")
    assert len(plots) == 4  # distribution, timeline, P(person), layers
    assert all(plot.size["height"] > 60 for plot in plots)
    assert serious(browser) == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    loaded = browser.execute_script("return [...document.images].every(i => i.loading === 'lazy' || i.naturalWidth)")
    assert loaded
    asked = [
        json.loads(entry["message"])["message"]["params"]["request"]["url"]
        for entry in logged(browser, "performance")
        if '"Network.requestWillBeSent"' in entry["message"]
    ]
    assert [url for url in asked if url.startswith(("http", "ws"))] == []
    assert [entry for entry in logged(browser, "browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light")])
def test_a_report_of_boards_is_for_everybody_on_a_phone_too(
    new_browser: Any, tmp_path: Path, width: int, scheme: str
) -> None:
    runs = []
    for name, board in (("a", "nano33ble"), ("b", "feather_f405")):
        with Recorder(tmp_path / f"{name}.vwwrec") as recorder:
            for event in GeneratedSource(fps=0, pictures=12).events(Control()):
                recorder.add(event)
        data = load_run(str(tmp_path / f"{name}.vwwrec"))
        runs.append(replace(data, board=replace(data.board, board=board, threshold=0.5 if name == "a" else 0.99)))
    write_boards_report(runs, compare_boards(runs), tmp_path / "boards.html")
    browser: webdriver.Chrome = new_browser(width, 900)
    medium = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", medium)
    browser.get((tmp_path / "boards.html").as_uri())
    assert "feather_f405" in browser.find_element(By.TAG_NAME, "table").text
    assert "nano33ble a.vwwrec: person" in browser.find_element(By.TAG_NAME, "figure").text
    assert len(browser.find_elements(By.CSS_SELECTOR, "svg.chart")) == 1
    assert serious(browser) == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
