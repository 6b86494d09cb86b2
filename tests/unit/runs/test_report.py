"""Reports and comparisons of runs and recordings whose figures are known."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.support.generated_source import CUPS, LAYERS, GeneratedSource
from vww_deploy.cli import build
from vww_deploy.errors import DataError, StoreError
from vww_deploy.link.inference import Inference
from vww_deploy.pictures.gather import Picture
from vww_deploy.runs.boards import compare_boards
from vww_deploy.runs.compare import compare, paired_interval
from vww_deploy.runs.recording import Recorder
from vww_deploy.runs.report import disagreement_text, render, render_boards, write_report
from vww_deploy.runs.result import StoredResult
from vww_deploy.runs.rundata import RunData, load_run
from vww_deploy.runs.store import RunHeader, Store
from vww_deploy.session.events import Peer
from vww_deploy.session.source import Control
from vww_deploy.training.metrics import wilson

HOSTILE = "<img src=x onerror=alert(1)>.png"
PEER = Peer("virtual", "/dev/pts/1", "", "m", "ab" * 32, clock="instructions", clock_hz=1_000_000_000)
HEADER = RunHeader(PEER, layers=LAYERS)
# truth and P(person) of each picture, and its latency in microseconds
FIRST = ((1, 0.9, 1000), (1, 0.8, 1100), (1, 0.4, 1200), (0, 0.1, 1300), (0, 0.2, 1400), (0, 0.6, 1500))
SECOND = ((1, 0.9, 500), (1, 0.3, 550), (1, 0.7, 600), (0, 0.1, 650), (0, 0.2, 700), (0, 0.4, 750))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "runs.sqlite") as store:
        yield store


def record(
    store: Store,
    values: tuple[tuple[int | None, float, int], ...],
    header: RunHeader = HEADER,
    serials: tuple[str, ...] = ("",),
) -> RunData:
    folder = store.path.parent
    pictures = []
    for number, (truth, _, _) in enumerate(values):
        path = folder / (HOSTILE if number == 0 else f"{number}.png")
        Image.fromarray(np.full((40, 60, 3), 40 * number, np.uint8)).save(path)
        pictures.append(Picture(str(path), truth))
    writer = store.begin(header, [*pictures, Picture("empty.png")])
    for position, (truth, p_person, latency_us) in enumerate(values):
        writer.record(
            StoredResult(
                path=pictures[position].path,
                truth=truth,
                sha256=hashlib.sha256(Path(pictures[position].path).read_bytes()).hexdigest(),
                inference=Inference(position, p_person, latency_us, latency_us * 1000, 1, (0, 1), (0, 1)),
                board_serial=serials[position % len(serials)],
            )
        )
    writer.skip(len(values), "empty.png is empty <b>(0 bytes)</b>")
    writer.finish("complete")
    return load_run(str(writer.run), store.path)


class _Page(HTMLParser):
    """Tags and text of a page; what is inside scripts is no text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._script = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._script = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._script = False

    def handle_data(self, data: str) -> None:
        if not self._script:
            self.text += data


def test_a_report_says_what_the_run_was(store: Store) -> None:
    page = _Page(render(record(store, FIRST)))
    for words in (
        "Run 1",
        "4 of 6; 95 % interval 30.0% to 90.3%",  # Wilson's interval of 4 in 6
        "66.7%",
        "1.20 ms",  # median by nearest rank
        "p95 1.50 ms, 1.00 ms to 1.50 ms",
        "6/6",
        "Latency by layer",
        "ROC curve, area 0.889",
        "Most certain",
        "Least certain",
        "Wrong",
        "empty.png is empty <b>(0 bytes)</b>",
    ):
        assert words in page.text, words
    cells = re.findall(r'<td class="(\w+)">(\d+)</td>', render(load_run("1", store.path)))
    assert cells == [("right", "2"), ("wrong", "1"), ("wrong", "1"), ("right", "2")]


def test_a_report_holds_all_it_needs_and_no_name_becomes_html(store: Store) -> None:
    html = render(record(store, FIRST))
    page = _Page(html)
    assert HOSTILE in page.text
    for tag, attributes in page.tags:
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, attributes)
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(pictures) == 6 + 6 + 2  # most certain, least certain, wrong
    assert "onerror" not in {name for _, attributes in page.tags for name in attributes}


def test_a_latency_that_is_constant_is_a_sentence_and_no_rectangle(store: Store) -> None:
    html = render(record(store, tuple((truth, p, 1000) for truth, p, _ in FIRST)))
    assert "Every inference took 1 ms." in html
    assert 'aria-label="latency"' not in html and 'aria-label="latency over the run"' in html


def test_a_report_without_labels_has_no_figures_that_need_them(store: Store) -> None:
    page = _Page(render(record(store, tuple((None, p, us) for _, p, us in FIRST))))
    assert "Confusion matrix" not in page.text
    assert "ROC" not in page.text
    assert "accuracy" not in page.text
    assert "Least certain" in page.text


def test_a_report_of_one_class_has_a_matrix_and_no_curves(store: Store) -> None:
    page = _Page(render(record(store, FIRST[:3])))
    assert "Confusion matrix" in page.text
    assert "ROC" not in page.text


def test_a_report_says_what_the_outputs_mean_and_draws_the_cells_of_a_map(store: Store) -> None:
    header = RunHeader(dataclasses.replace(PEER, outputs=CUPS), crop=(1, 1), layers=LAYERS)
    data = record(store, FIRST[:2], header)
    cells = np.tile(np.array([127, -128], np.int8), (16, 1))
    cells[6] = (-100, 100)
    made = dataclasses.replace(data.entries[0].inference, outputs=tuple(cells.ravel().tolist()))
    entry = dataclasses.replace(data.entries[0], inference=made)
    data = dataclasses.replace(data, entries=[entry, *data.entries[1:]])
    drawn, plain = data.drawn(entry), data.drawn(data.entries[1])
    assert drawn is not None and plain is not None
    assert drawn.shape == (80, 80, 3)  # the middle of 60 x 40 pixels, as the model sees it, twice as large
    assert plain.shape == (40, 40, 3)
    assert (drawn[20, 40:60] == (0, 230, 118)).all()
    page = _Page(render(data))
    for words in ("1 cell in 1 place: row 1 column 2", "P(cup), and the threshold", "2 cup", "predicted cup"):
        assert words in page.text, words
    assert "person" not in page.text.replace("person_", "")


def test_a_changed_picture_is_not_shown_as_the_one_of_the_run(store: Store) -> None:
    data = record(store, FIRST)
    Path(data.entries[1].path).write_bytes(Path(data.entries[2].path).read_bytes())
    Path(data.entries[3].path).unlink()
    assert data.preview(data.entries[1]) is None
    assert data.preview(data.entries[3]) is None
    assert data.preview(data.entries[2]) is not None
    assert "the picture is no longer there" in render(data)


def test_a_recording_is_reported_with_its_own_pictures(tmp_path: Path) -> None:
    path = tmp_path / "a.vwwrec"
    with Recorder(path) as recorder:
        for event in GeneratedSource(fps=0, pictures=12).events(Control()):
            recorder.add(event)
    data = load_run(str(path))
    assert (len(data.entries), data.layers, data.board.board) == (12, LAYERS, "generated")
    page = _Page(render(data))
    assert "astronaut" in page.text
    assert sum(tag == "img" for tag, _ in page.tags) == 5 + 5  # five photographs, each once


def test_what_is_neither_run_nor_recording_is_said(tmp_path: Path, store: Store) -> None:
    with pytest.raises(StoreError, match="neither the number of a run nor a recording"):
        load_run("run.txt", store.path)
    with pytest.raises(StoreError, match="has no run 9"):
        load_run("9", store.path)
    store.begin(HEADER, [Picture("a.png")]).finish("failed")
    with pytest.raises(DataError, match="holds no results"):
        load_run("1", store.path)
    with pytest.raises(StoreError, match="cannot be written"):
        write_report(record(store, FIRST), tmp_path / "no" / "folder.html")


def test_a_comparison_counts_flips_ratio_and_accuracy(store: Store) -> None:
    before = record(store, FIRST)
    after = record(
        store, SECOND, RunHeader(dataclasses.replace(PEER, model="other", model_sha256="cd" * 32), layers=LAYERS)
    )
    found = compare(before, after)
    assert (found.pictures, found.only_before, found.only_after) == (6, 0, 0)
    assert [(Path(f.name).name, f.truth, f.person) for f in found.flips] == [
        ("1.png", 1, False),
        ("2.png", 1, True),
        ("5.png", 0, False),
    ]
    assert found.latency_ratio == pytest.approx(0.5)
    assert found.largest_change == pytest.approx(0.5)
    assert [name for name, _, _ in found.changed] == ["model"]
    assert found.accuracy is not None
    assert found.accuracy.before == pytest.approx(4 / 6)
    assert found.accuracy.after == pytest.approx(5 / 6)
    assert (found.accuracy.low, found.accuracy.high) == paired_interval(1, 2, 6)


def test_only_the_same_pictures_are_compared(store: Store, tmp_path: Path) -> None:
    before = record(store, FIRST)
    after = record(store, SECOND[:3])
    found = compare(before, after)
    assert (found.pictures, found.only_before, found.only_after) == (3, 3, 0)
    path = tmp_path / "a.vwwrec"
    with Recorder(path) as recorder:
        for event in GeneratedSource(fps=0, pictures=3).events(Control()):
            recorder.add(event)
    with pytest.raises(DataError, match="no picture in common"):
        compare(before, load_run(str(path)))


@pytest.mark.parametrize("total", [1, 6, 400])
def test_no_difference_has_an_interval_around_zero(total: int) -> None:
    low, high = paired_interval(0, 0, total)
    assert low == pytest.approx(-high)
    assert 0 < high <= 1


def test_the_intervals_are_those_of_the_papers() -> None:
    # Bonett and Price: z * sqrt((p12 + p21 - (p12 - p21)^2) / (n + 2)) around p21 - p12, with (f + 1) / (n + 2).
    low, high = paired_interval(5, 25, 98)
    centre = 26 / 100 - 6 / 100
    margin = 1.959964 * math.sqrt((0.26 + 0.06 - 0.04) / 100)
    assert (low, high) == pytest.approx((centre - margin, centre + margin))
    assert wilson(0, 10) == pytest.approx((0.0, 0.27753), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((0.72247, 1.0), abs=1e-4)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Simulated: 3,000 comparisons of 200 pictures with a true difference of five points."""
    draw = np.random.default_rng(1)
    covered = 0
    for _ in range(3000):
        lost, won, _same = draw.multinomial(200, [0.05, 0.10, 0.85])
        low, high = paired_interval(lost, won, 200)
        covered += low <= 0.05 <= high
    assert 0.935 <= covered / 3000 <= 0.965


def test_a_comparison_has_a_json_form(store: Store) -> None:
    found = compare(record(store, FIRST), record(store, SECOND))
    assert json.loads(json.dumps(dataclasses.asdict(found)))["pictures"] == 6


def test_the_command_line_prints_the_comparison_and_writes_the_report(store: Store, tmp_path: Path) -> None:
    record(store, FIRST)
    record(store, SECOND, RunHeader(dataclasses.replace(PEER, model="other"), layers=LAYERS))
    runner, app = CliRunner(), build()
    done = runner.invoke(app, ["runs", "compare", "1", "2", "--store", str(store.path)])
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    for words in (
        "run 1 → run 2: 6 pictures in both",
        "x 0.500",
        "66.7% → 83.3%, +16.7 points, 95 % interval",
        "flipped 3 predictions",
        "1.png: 0.800 → 0.300, person → no person ✗",
        "2.png: 0.400 → 0.700, no person → person ✓",
    ):
        assert words in said, said
    done = runner.invoke(app, ["runs", "compare", "1", "2", "--store", str(store.path), "--json"])
    assert json.loads(done.output)["flips"][0]["person"] is False
    done = runner.invoke(app, ["runs", "report", "-o", str(tmp_path / "r.html"), "--store", str(store.path)])
    assert done.exit_code == 0, done.output
    assert "<h1>Run 2</h1>" in (tmp_path / "r.html").read_text()


def test_the_boards_of_several_runs_are_compared_with_the_first(store: Store) -> None:
    nano = RunHeader(dataclasses.replace(PEER, board="nano33ble"), layers=LAYERS)
    runs = [record(store, FIRST, nano, ("A1",)), record(store, SECOND, nano, ("B2",)), record(store, FIRST[:3], nano)]
    made = dataclasses.replace(runs[1].entries[0].inference, outputs=(1, 0))
    runs[1].entries[0] = dataclasses.replace(runs[1].entries[0], inference=made)
    found = compare_boards(runs)
    assert [(b.board, b.serial, b.results, b.common, b.flips, b.outputs) for b in found.boards] == [
        ("nano33ble", "A1", 6, 6, 0, 0),
        ("nano33ble", "B2", 6, 6, 3, 1),
        ("nano33ble", "run 3", 3, 3, 0, 0),
    ]
    assert [b.latency_us and b.latency_us.median for b in found.boards] == [1200, 600, 1100]
    assert [(b.equal, b.compared) for b in found.boards] == [(6, 6), (5, 6), (3, 3)]
    assert (found.shared, len(found.disagreements)) == (6, 3)
    assert disagreement_text(found, found.disagreements[0]) == (
        "nano33ble A1: person 0.800; nano33ble B2: no person 0.300; nano33ble run 3: person 0.800"
    )
    page = _Page(render_boards(runs, found))
    for words in ("m on 3 boards", "run 1, run 2, run 3", "By board", "1.20 ms", "Latency by board", "B2: no person"):
        assert words in page.text, words
    assert sum(tag == "img" for tag, _ in page.tags) == 3


def test_boards_that_share_no_picture_or_no_unit_are_beside_each_other(store: Store) -> None:
    data = record(store, FIRST, serials=("A1", "B2"))
    found = compare_boards([data])
    assert [(b.serial, b.results, b.common, b.flips) for b in found.boards] == [("A1", 3, 3, 0), ("B2", 3, 0, 0)]
    assert (found.shared, found.disagreements) == (0, ())
    assert "By board" in _Page(render(data)).text
    assert "By board" not in _Page(render(record(store, FIRST))).text
    entries = [
        dataclasses.replace(entry, inference=dataclasses.replace(entry.inference, latency_us=None))
        for entry in data.entries
    ]
    counted = dataclasses.replace(data, entries=entries, board=dataclasses.replace(PEER, board="other"))
    page = _Page(render_boards([data, counted], compare_boards([data, counted])))
    assert "1,200,000 instructions" in page.text and "1.30 ms" in page.text
    assert "Charts" not in page.text
    assert "Latency by board" in _Page(render_boards([counted], compare_boards([counted]))).text


def test_boards_with_different_models_are_not_compared(store: Store) -> None:
    other = RunHeader(dataclasses.replace(PEER, model="other", model_sha256="cd" * 32), layers=LAYERS)
    runs = [record(store, FIRST), record(store, FIRST, other)]
    with pytest.raises(DataError, match=r"run 1 ran m \(abababababab\), run 2 other \(cdcdcdcdcdcd\)") as caught:
        compare_boards(runs)
    assert "runs compare" in caught.value.hint


def test_the_command_line_compares_the_boards_of_several_runs(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    record(store, FIRST, serials=("A1",))
    record(store, SECOND, serials=("B2",))
    runner, app = CliRunner(), build()
    done = runner.invoke(app, ["runs", "report", "1", "2", "--store", str(store.path)], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    for words in (
        "virtual A1 6 1.20 ms 1.50 ms 6/6",
        "virtual B2 6 0.60 ms 0.75 ms 6/6 6 3 0",
        "6 pictures on several boards, which disagree on 3",
        "1.png: virtual A1: person 0.800; virtual B2: no person 0.300",
        "The report is in boards.html",
    ):
        assert words in said, said
    assert "<h1>m on 2 boards</h1>" in (tmp_path / "boards.html").read_text()
