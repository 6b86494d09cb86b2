"""A run's report in real Chromium: everything is drawn, nothing is fetched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from tests.support.generated_source import GeneratedSource
from tests.web.conftest import logged
from tests.web.test_page import serious
from vww_deploy.runs.recording import Recorder
from vww_deploy.runs.report import write_report
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
