"""The page in real Chromium, over the generated board: five photographs in turn, ten pictures a second."""

from __future__ import annotations

import base64
import csv
import io
import json
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import axe_core_python
import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.support.generated_source import PICTURES, PLACES, GeneratedSource
from tests.support.page_headers import answers, findings
from tests.web.conftest import logged
from vww_deploy.link.inference import Inference
from vww_deploy.runs.recording import Recorder, Recording
from vww_deploy.session.source import Control

pytestmark = pytest.mark.web


def wait_for(condition: Callable[[], Any], timeout_s: float = 30.0) -> Any:
    until = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.05)
    return value


def find(browser: webdriver.Chrome, selector: str) -> WebElement:
    return browser.find_element(By.CSS_SELECTOR, selector)


def text(browser: webdriver.Chrome, selector: str) -> str:
    return str(browser.execute_script("return document.querySelector(arguments[0])?.textContent ?? ''", selector))


def number(browser: webdriver.Chrome) -> int:
    value = browser.execute_script("return document.querySelector('#shown')?.dataset.number")
    return -1 if value is None else int(value)


def moment(browser: webdriver.Chrome) -> dict[str, Any]:
    """What the page shows, read at once: the parts belong to the same picture or the page is wrong."""
    return dict(
        browser.execute_script(
            """return {src: document.querySelector('#shown').src, raw: document.querySelector('#raw').src,
            number: +document.querySelector('#shown').dataset.number,
            prediction: document.querySelector('#prediction').textContent,
            chance: document.querySelector('#chance').textContent,
            source: document.querySelector('.vww-shown .vww-right').textContent}"""
        )
    )


def decoded(url: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))))


def press(browser: webdriver.Chrome, name: str) -> None:
    """A click as a user does it; the button may move as the page changes."""
    browser.execute_script("arguments[0].click()", find(browser, f'[aria-label="{name}"]'))


def notified(browser: webdriver.Chrome) -> str:
    return text(browser, "#said")


def pause(browser: webdriver.Chrome) -> None:
    press(browser, "pause (space)")
    wait_for(lambda: "play_arrow" in text(browser, '[aria-label="pause (space)"]'))
    time.sleep(0.5)  # the picture in hand still comes


def test_the_picture_changes_and_belongs_to_the_prediction(page: Any, browser: webdriver.Chrome) -> None:
    chances = dict(PICTURES)
    seen: dict[int, str] = {}
    wait_for(lambda: number(browser) >= 0)
    until = time.monotonic() + 60  # a few seconds, unless the machine is very busy
    while len(seen) <= 10 or len(set(seen.values())) < len(PICTURES):
        assert time.monotonic() < until, f"{len(seen)} pictures in a minute"
        now = moment(browser)
        p_person = chances[now["source"]]
        assert now["chance"] == f"{p_person:.1%}"
        assert now["prediction"] == ("person" if p_person >= 0.5 else "no person")
        seen[now["number"]] = now["src"]
    assert len(set(seen.values())) == len(PICTURES)
    picture = decoded(next(iter(seen.values())))
    assert picture.shape == (96, 96)
    assert decoded(moment(browser)["raw"]).ndim == 3
    assert find(browser, "#shown").value_of_css_property("image-rendering") == "pixelated"


def test_a_map_of_cells_is_drawn_and_named_as_its_labels_say(page: Any, browser: webdriver.Chrome) -> None:
    page.tell("gone")
    page.tell("cups")
    wait_for(lambda: text(browser, ".vww-pill") == "board lost")
    page.tell("back")
    wait_for(lambda: text(browser, "#prediction") == "cup" and text(browser, ".vww-pill") == "connected")
    seen: set[str] = set()
    until = time.monotonic() + 60
    while len(seen) < 2:
        assert time.monotonic() < until, seen
        pause(browser)
        picture, prediction = decoded(moment(browser)["src"]), text(browser, "#prediction")
        seen.add(prediction)
        if prediction == "cup":
            row, column = divmod(PLACES[moment(browser)["source"]], 4)
            assert text(browser, "#detail") == f"1 cell in 1 place: row {row} column {column}"
            assert (picture[24 * row, 24 * column : 24 * column + 24] == (0, 230, 118)).all()
        else:
            assert (prediction, text(browser, "#detail"), picture.ndim) == ("background", "", 2)
        press(browser, "pause (space)")
        time.sleep(0.3)
    assert "P(cup)" in text(browser, ".vww-verdict") and "P(person)" not in text(browser, ".vww-grid")
    assert "Cup" in text(browser, "#label-person") and "0 background" in text(browser, "#truth")


def test_nothing_is_fetched_from_anywhere_else(page: Any, browser: webdriver.Chrome) -> None:
    wait_for(lambda: number(browser) >= 0)
    wait_for(lambda: browser.execute_script("return document.querySelectorAll('.vww-chart canvas').length == 2"))
    asked = [
        json.loads(entry["message"])["message"]["params"]["request"]["url"]
        for entry in logged(browser, "performance")
        if '"Network.requestWillBeSent"' in entry["message"]
    ]
    assert len(asked) > 5
    assert [url for url in asked if url.startswith(("http", "ws")) and not url.startswith(page.url)] == []
    errors = [entry["message"] for entry in logged(browser, "browser") if entry["level"] == "SEVERE"]
    assert errors == []


@pytest.mark.parametrize("width", [1280, 768, 390])
def test_the_page_fits_the_screen(new_browser: Any, start_page: Any, width: int) -> None:
    browser = new_browser(width, 900)
    browser.get(start_page().url)
    wait_for(lambda: number(browser) >= 0)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    visible = browser.execute_script("return document.querySelector('#prediction').getBoundingClientRect().bottom")
    if width != 768:
        assert visible < 900  # picture and prediction without scrolling
    facts = "const shown = document.querySelector('.vww-facts'); return shown.scrollWidth <= shown.clientWidth"
    assert browser.execute_script(facts)  # the model's name is whole
    if width < 600:
        assert browser.execute_script("return document.querySelector('#label-person').offsetHeight") >= 44  # a thumb


def serious(browser: webdriver.Chrome) -> list[str]:
    """What axe-core finds that keeps people out, by rule and element."""
    browser.execute_script((Path(axe_core_python.__file__).parent / "axe.min.js").read_text())
    found = browser.execute_async_script(
        """const done = arguments[arguments.length - 1];
        axe.run().then(found => done(found.violations.filter(v => ['serious', 'critical'].includes(v.impact))
          .map(v => v.id + ': ' + v.nodes.map(node => node.html.slice(0, 120)).join(' ; '))));"""
    )
    return [str(line) for line in found]


@pytest.mark.parametrize("width", [390, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_for_everybody_in_the_colours_that_the_system_wishes(
    new_browser: Any, start_page: Any, scheme: str, width: int
) -> None:
    browser = new_browser(width, 900)
    medium = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", medium)
    browser.get(start_page().url)
    wait_for(lambda: number(browser) >= 0 and text(browser, "#console"))
    assert serious(browser) == []
    assert browser.execute_script("return document.documentElement.lang") == "en-US"
    red = browser.execute_script("return getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0]")
    assert (int(red) > 200) == (scheme == "light")


def test_the_slider_moves_the_threshold_in_every_browser(
    page: Any, browser: webdriver.Chrome, new_browser: Any
) -> None:
    other = new_browser()
    other.get(page.url)
    wait_for(lambda: number(browser) >= 0 and number(other) >= 0)
    slider = find(browser, "#slider")
    ActionChains(browser).move_to_element_with_offset(slider, int(0.45 * slider.size["width"]), 0).click().perform()
    wait_for(lambda: text(browser, "#threshold") == text(other, "#threshold") and text(browser, "#threshold") > "0.90")
    wait_for(lambda: moment(browser)["source"] == "camera" and moment(browser)["prediction"] == "no person")
    first = number(browser), number(other)  # both see the same board
    wait_for(lambda: number(browser) > first[0] + 5 and number(other) > first[1] + 5)


def test_labelling_writes_the_picture_on_the_page_and_the_table(page: Any, browser: webdriver.Chrome) -> None:
    wait_for(lambda: number(browser) >= 0)
    pause(browser)
    raw = decoded(moment(browser)["raw"])
    find(browser, "#label-person").click()
    table = page.folder / "labelled" / "labels.csv"
    wait_for(table.exists)
    wait_for(lambda: "Labelled" in notified(browser))
    (row,) = csv.DictReader(table.open())
    assert row["label"] == "1"
    wait_for(lambda: text(browser, "#truth") == "This picture: person. Labelled: 1 person, 0 no person")
    assert np.array_equal(np.asarray(Image.open(table.parent / row["file"])), raw)
    find(browser, "#label-none").click()
    wait_for(lambda: [r["label"] for r in csv.DictReader(table.open())] == ["0"])
    press(browser, "take the last label back (u)")
    wait_for(lambda: text(browser, "#truth") == "This picture: person. Labelled: 1 person, 0 no person")
    press(browser, "take the last label back (u)")
    wait_for(lambda: text(browser, "#truth") == "Labelled: 0 person, 0 no person")
    assert list(csv.DictReader(table.open())) == []


def test_pause_holds_the_picture_and_the_keyboard_works(page: Any, browser: webdriver.Chrome) -> None:
    wait_for(lambda: number(browser) >= 0)
    pause(browser)
    held = number(browser)
    time.sleep(1)
    assert number(browser) == held
    find(browser, "body").send_keys(" ")
    wait_for(lambda: number(browser) > held + 3)
    find(browser, "body").send_keys("s")
    wait_for(lambda: len(list((page.folder / "snapshots").glob("*.json"))) == 1)


def test_record_writes_a_recording(page: Any, browser: webdriver.Chrome) -> None:
    wait_for(lambda: number(browser) >= 0)
    press(browser, "record (r)")
    wait_for(lambda: "REC" in text(browser, ".vww-recording"))
    time.sleep(1.5)
    press(browser, "record (r)")
    wait_for(lambda: "Recorded" in notified(browser))
    (path,) = page.folder.glob("*.vwwrec")
    with Recording(path) as recording:
        assert sum(isinstance(recorded.event, Inference) for recorded in recording.events()) > 5


def test_the_board_goes_and_comes_back_without_a_reload(page: Any, browser: webdriver.Chrome) -> None:
    wait_for(lambda: number(browser) >= 0)
    browser.execute_script("window.stayed = true")
    page.tell("gone")
    wait_for(lambda: "plug it in again" in text(browser, ".vww-veil"))
    assert find(browser, ".vww-veil").is_displayed()
    assert find(browser, ".vww-pill").get_attribute("data-state") == "lost"
    assert float(find(browser, "#prediction").value_of_css_property("opacity")) < 0.5  # it is not of now
    held = number(browser)
    page.tell("back")
    wait_for(lambda: number(browser) > held + 3)
    assert not find(browser, ".vww-veil").is_displayed()
    wait_for(lambda: float(find(browser, "#prediction").value_of_css_property("opacity")) == 1)
    assert find(browser, ".vww-pill").get_attribute("data-state") == "connected"
    assert browser.execute_script("return window.stayed") is True


def test_a_dropped_picture_goes_to_the_board_and_its_name_stays_text(
    page: Any, browser: webdriver.Chrome, tmp_path: Path
) -> None:
    wait_for(lambda: number(browser) >= 0)
    pause(browser)
    name = "<img src=x onerror=document.title=1>.png"
    Image.new("RGB", (64, 48), (0, 255, 0)).save(tmp_path / "green.png")
    drop(browser, name, (tmp_path / "green.png").read_bytes())
    wait_for(lambda: moment(browser)["source"] == name)
    assert set(np.unique(decoded(moment(browser)["src"]))) == {150}  # green's luma
    assert "goes to the board" in notified(browser)
    assert browser.title == "vww-deploy monitor"


def test_a_dropped_file_that_is_no_picture_is_refused_in_words(page: Any, browser: webdriver.Chrome) -> None:
    wait_for(lambda: number(browser) >= 0)
    drop(browser, "notes.png", b"no picture at all")
    wait_for(lambda: "notes.png is no picture" in notified(browser), 10)
    moving = number(browser)
    wait_for(lambda: number(browser) > moving + 3)


def test_html_on_the_console_is_shown_as_text(page: Any, browser: webdriver.Chrome) -> None:
    wait_for(lambda: "<b id=injected>bold</b>" in text(browser, "#console"))
    assert browser.execute_script("return document.querySelectorAll('#injected, #console img').length") == 0
    assert browser.title == "vww-deploy monitor"


def test_boards_can_be_chosen(page: Any, browser: webdriver.Chrome) -> None:
    wait_for(lambda: "/dev/generated" in text(browser, ".vww-bar .q-select"))
    time.sleep(3.5)  # the list of ports is looked up every three seconds
    find(browser, ".vww-bar .q-select").click()
    option = wait_for(
        lambda: next((e for e in browser.find_elements(By.CSS_SELECTOR, ".q-item") if "/dev/another" in e.text), None)
    )
    option.click()
    wait_for(lambda: "/dev/another" in text(browser, ".vww-bar .q-select"))
    moving = number(browser)
    wait_for(lambda: number(browser) > moving + 3)


def test_a_slow_browser_skips_pictures_and_does_not_fall_behind(page: Any, browser: webdriver.Chrome) -> None:
    """A page that stands still for seconds is not sent, and so need not draw, the pictures that went by."""
    wait_for(lambda: number(browser) >= 0)
    before = browser.execute_script(
        """const picture = document.querySelector('#shown'), until = Date.now() + 6000;
        window.drawn = [];
        new MutationObserver(() => window.drawn.push(+picture.dataset.number)).observe(picture, {attributes: true});
        while (Date.now() < until);
        return +picture.dataset.number"""
    )
    wait_for(lambda: browser.execute_script("return window.drawn.at(-1) ?? -1") > before + 40)
    drawn = {number for number in browser.execute_script("return window.drawn") if before < number <= before + 40}
    assert len(drawn) < 20, sorted(drawn)  # about 60 pictures went by meanwhile


def test_charts_and_layers_are_drawn(page: Any, browser: webdriver.Chrome) -> None:
    wait_for(lambda: number(browser) > 20)
    assert "conv2d 3x3" in text(browser, "#layers")
    assert "42.3%" in text(browser, "#layers")

    def lit() -> bool:
        """Whether each chart has pixels of its own colour."""
        counts = browser.execute_script(
            """return [...document.querySelectorAll('.vww-chart canvas')].map(c => {
            const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;
            for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 200 && d[i + 1] > 100 && d[i] < 90) n++;
            return n})"""
        )
        return len(counts) == 2 and min(counts) > 200

    wait_for(lit)


def test_listening_on_other_addresses_needs_the_token(start_page: Any, new_browser: Any) -> None:
    server = start_page("0.0.0.0")
    assert "/?token=" in server.url
    url = server.url.replace("0.0.0.0", "127.0.0.1")
    bare = url.split("?")[0]
    with pytest.raises(urllib.error.HTTPError, match="403"):
        wait_for_http(bare)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(bare + "?token=guess", timeout=10)
    browser = new_browser()
    browser.get(bare)
    assert "Not allowed" in browser.page_source
    browser.get(url)
    first = wait_for(lambda: number(browser) + 1)
    wait_for(lambda: number(browser) > first + 3)  # the web socket passes, too


def test_a_recording_replays_on_the_page_step_by_step(
    start_page: Any, browser: webdriver.Chrome, tmp_path: Path
) -> None:
    path = tmp_path / "session <b>.vwwrec"
    with Recorder(path) as recorder:
        for event in GeneratedSource(fps=0, pictures=12).events(Control()):
            recorder.add(event)
    main = [sys.executable, "-c", "from vww_deploy.cli import main; main()"]
    options = "--web --no-browser --speed 0 --web-port {port} --out {folder}"
    server = start_page(command=[*main, "monitor", str(path), *options.split()])
    browser.get(server.url)
    wait_for(lambda: number(browser) == 11)
    assert "replay of session <b>.vwwrec" in text(browser, ".vww-bar")
    assert find(browser, ".vww-pill").text == "end of the recording"
    press(browser, "one picture back")
    wait_for(lambda: number(browser) == 10)
    press(browser, "to the beginning")
    wait_for(lambda: number(browser) == 0)
    assert moment(browser)["chance"] == "97.0%"
    press(browser, "one picture on")
    wait_for(lambda: number(browser) == 1)
    slider = find(browser, "#timeline")
    ActionChains(browser).move_to_element(slider).click().perform()  # its middle
    wait_for(lambda: number(browser) in (5, 6))
    assert serious(browser) == []
    find(browser, "#label-none").click()
    wait_for((server.folder / "labelled" / "labels.csv").exists)
    assert browser.find_elements(By.CSS_SELECTOR, ".vww-drop, [aria-label='record (r)']") == []


def test_other_sites_and_foreign_names_reach_nothing_not_even_the_socket(page: Any) -> None:
    for path in ("", "_nicegui_ws/socket.io/?EIO=4&transport=polling"):
        for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(urllib.request.Request(page.url + path, headers=headers), timeout=10)


def test_a_hostile_page_on_another_port_reaches_nothing(start_page: Any, new_browser: Any) -> None:
    """It frames the page, fetches from it, posts to it, opens its socket and follows a name with terminal escapes."""
    server = start_page()
    root = server.url.rstrip("/")
    hostile = f"""<!doctype html><title>hostile</title><script>
      window.got = {{}};
      fetch('{root}/', {{mode: 'no-cors'}}).then(() => got.fetch = 'passed', () => got.fetch = 'refused');
      fetch('{root}/%1b%5d0;owned%07', {{mode: 'no-cors'}}).catch(() => 0);
      const socket = new WebSocket('{root}/_nicegui_ws/socket.io/?EIO=4&transport=websocket'.replace('http', 'ws'));
      socket.onopen = () => got.socket = 'passed'; socket.onerror = () => got.socket = 'refused';
      </script><iframe src="{root}/"></iframe><img src="{root}/%1b%5d0;owned%07">"""

    class Hostile(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(hostile.encode())

        def log_message(self, *_: object) -> None:
            pass

    site = ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    try:
        browser = new_browser()
        browser.get(f"http://127.0.0.1:{site.server_port}/")
        got = wait_for(lambda: (found := browser.execute_script("return window.got")) and len(found) == 2 and found)
        assert got == {"fetch": "refused", "socket": "refused"}
        browser.switch_to.frame(0)
        assert "vww-deploy" not in browser.page_source
        browser.get(f"{root}/%1b%5d0;owned%07")  # the user is sent there
        assert "Not found" in browser.page_source
        assert "frame-ancestors" in str(logged(browser, "browser"))  # why it was not framed
        browser.get(root + "/")
        wait_for(lambda: number(browser) >= 0)  # the page itself lives with its policy
        assert [e["message"] for e in logged(browser, "browser") if "Content Security Policy" in e["message"]] == []
    finally:
        site.shutdown()
    server.process.terminate()
    log, _ = server.process.communicate(timeout=30)
    assert "owned" not in log
    assert "\x1b" not in log


def test_every_answer_carries_the_headers_those_that_refuse_too(page: Any) -> None:
    """As ZAP's passive rules have them; benchmarks/page_headers.py prints the same, with a token too."""
    seen = list(answers(page.url))
    assert [one for answer in seen for one in findings(answer)] == []
    assert {answer.status for answer in seen} == {200, 403, 404, 405, 413}


def wait_for_http(url: str) -> None:
    """Opens a URL, waiting for the server to listen."""
    until = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(url, timeout=10)
            return
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError:
            assert time.monotonic() < until
            time.sleep(0.1)


def drop(browser: webdriver.Chrome, name: str, data: bytes) -> None:
    """Drag a file over the page's drop area and let it go, as the browser's own events."""
    browser.execute_script(
        """const [area, name, data] = arguments;
        const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], name, {type: 'image/png'}));
        const fire = (target, kind) => target.dispatchEvent(
            new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: transfer}));
        fire(area, 'dragenter'); fire(area, 'dragover');
        setTimeout(() => fire(area.querySelector('.q-uploader__dnd') ?? area, 'drop'), 200);""",
        find(browser, ".vww-drop"),
        name,
        base64.b64encode(data).decode(),
    )
