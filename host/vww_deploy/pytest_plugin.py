"""The pytest plugin for hardware-in-the-loop tests (docs/hil.md): options, fixtures, what a failing test shows.

    def test_person(vww_device, vww_board, vww_model):
        picture = vww_model.to_input(Image.open("person.jpg"))
        assert_bit_exact(vww_device, vww_board, {"person": picture})

pytest loads this module in every project that has vww-deploy installed, so all that is heavy is imported when a test
first asks for a board.
"""

from __future__ import annotations

import contextlib
import html
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from vww_deploy.boards.catalogue import Board
    from vww_deploy.fleet.client import Fleet
    from vww_deploy.fleet.hil import FleetBoards, FleetDevice
    from vww_deploy.graph.model import Model
    from vww_deploy.graph.reference import Reference
    from vww_deploy.hil import BoardDevice, BoardUnderTest

_CHOSEN: pytest.StashKey[tuple[Board, str | None]] = pytest.StashKey()
_FLASHED: pytest.StashKey[BoardUnderTest | FleetBoards] = pytest.StashKey()
_FLEET: pytest.StashKey[Fleet] = pytest.StashKey()
_NOTICES: pytest.StashKey[list[str]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("vww-deploy", "boards under test")
    group.addoption(
        "--vww-board", metavar="NAME", help="board to test; default: the one attached, else the virtual one"
    )
    group.addoption(
        "--vww-port",
        metavar="PORT",
        action="append",
        default=[],
        help="its port; once for each board that pytest-xdist's workers share",
    )
    group.addoption(
        "--vww-cluster",
        metavar="ADDRESS",
        help="infer on the boards of a fleet: its address, or local, local:4 for virtual boards on this computer; "
        "--vww-board NAME or NAME=4 says which of its boards",
    )
    group.addoption("--vww-model", metavar="MODEL", help="a .tflite file or a shipped model; default: person_96_gray")
    group.addoption(
        "--vww-labels", metavar="FILE", type=Path, help="names of the model's classes, one a line, as run --labels"
    )
    group.addoption("--vww-person-label", metavar="NAME", help="the class that counts as a person")
    group.addoption("--vww-report", metavar="FILE", type=Path, help="write an HTML report with pictures that failed")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "vww_camera: skip on boards without a camera")
    config.addinivalue_line("markers", "vww_ram(bytes): skip on boards that leave less RAM")
    if config.getoption("vww_cluster") and config.getoption("vww_port"):
        raise pytest.UsageError("--vww-port and --vww-cluster do not go together: a fleet knows its boards' ports")
    if (name := config.getoption("vww_board")) and config.getoption("vww_port") and _is_started_on_demand(name):
        raise pytest.UsageError(f"--vww-port: the {name} board has a port of its own; leave it out")
    report: Path | None = config.getoption("vww_report")
    if report is not None and _worker(config) is None:
        try:
            report.parent.mkdir(parents=True, exist_ok=True)
            report.open("ab").close()
        except OSError as error:
            raise pytest.UsageError(f"--vww-report: {report} cannot be written: {error.strerror}") from error
        config.pluginmanager.register(_HtmlReport(report), "vww-html-report")


def _is_started_on_demand(name: str) -> bool:
    from vww_deploy.boards.catalogue import load_boards
    from vww_deploy.boards.drivers import driver_for

    return any(driver_for(board).emulated for board in load_boards() if board.name == name)


def _worker(config: pytest.Config) -> int | None:
    """The number of this pytest-xdist worker; None without pytest-xdist."""
    # Not from the environment: a pytest that a test of a worker starts inherits that, and is no worker.
    input_of_worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    return int(input_of_worker["workerid"].removeprefix("gw")) if input_of_worker is not None else None


@contextlib.contextmanager
def _errors_without_traceback() -> Iterator[None]:
    """What went wrong and what to do next, as the command line says it."""
    from vww_deploy.errors import VwwError

    try:
        yield
    except VwwError as error:
        said = "\n".join(filter(None, (error.message, error.hint)))
        raise pytest.fail.Exception(said, pytrace=False) from None  # or it is said twice, as the cause of itself


def _chosen_board(config: pytest.Config) -> tuple[Board, str | None]:
    """The board of this worker and its port, if one is named; skips the test when there is none for it."""
    from vww_deploy.boards.catalogue import UNLISTED
    from vww_deploy.boards.drivers import driver_for
    from vww_deploy.session.connect import choose_board

    number = _worker(config) or 0
    ports: list[str] = config.getoption("vww_port")
    nothing_left = f"worker {number} has no board: give each one its --vww-port, or start fewer workers"
    if ports and number >= len(ports):
        pytest.skip(nothing_left)
    port = ports[number] if ports else None
    with _errors_without_traceback():
        board = choose_board(config.getoption("vww_board"), port)
    if board is UNLISTED:
        pytest.fail(f"{port}: no board of the catalogue is seen there\nname it with --vww-board", pytrace=False)
    emulated = driver_for(board).emulated
    if emulated and port is not None:
        pytest.fail(
            f"{port} is a virtual board that you run\nleave --vww-port out: tests have their own", pytrace=False
        )
    if number and not ports and not emulated:
        pytest.skip(nothing_left)
    return board, port


def _board_of_session(config: pytest.Config) -> tuple[Board, str | None]:
    """Chosen once: a board that has just been reset is away for a moment, and another would be taken for it."""
    if _CHOSEN not in config.stash:
        config.stash[_CHOSEN] = _chosen_kind(config) if config.getoption("vww_cluster") else _chosen_board(config)
    return config.stash[_CHOSEN]


def _chosen_kind(config: pytest.Config) -> tuple[Board, None]:
    """The kind of a fleet's boards."""
    from vww_deploy.boards.catalogue import get_board

    with _errors_without_traceback():
        return get_board(_fleet_of_session(config).choose(config.getoption("vww_board"))[0]), None


def _fleet_of_session(config: pytest.Config) -> Fleet:
    """Connected once, until pytest ends."""
    if _FLEET not in config.stash:
        from vww_deploy import fleet

        fleet.require()
        from vww_deploy.fleet.local import named_fleet

        stack = contextlib.ExitStack()
        config.stash[_NOTICES] = []
        config.stash[_FLEET] = stack.enter_context(
            named_fleet(config.getoption("vww_cluster"), config.stash[_NOTICES].append)
        )
        config.add_cleanup(stack.close)
    return config.stash[_FLEET]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips what the board lacks before anything is flashed: a model that asks for too much may not even fit it."""
    camera, ram = item.get_closest_marker("vww_camera"), list(item.iter_markers("vww_ram"))
    if camera is None and not ram:
        return
    board, _ = _board_of_session(item.config)
    if camera is not None and item.config.getoption("vww_cluster"):
        pytest.skip("the boards of a fleet infer, their cameras are not used")
    if camera is not None and not board.cameras:
        pytest.skip(f"{board.name} has no camera")
    for marker in ram:
        if len(marker.args) != 1 or marker.kwargs or not isinstance(marker.args[0], int):
            pytest.fail("vww_ram takes a number of bytes: @pytest.mark.vww_ram(100_000)", pytrace=False)
        if board.ram_bytes < marker.args[0]:
            pytest.skip(f"{board.name} leaves {board.ram_bytes:,} bytes of RAM, not {marker.args[0]:,}")


# -- fixtures ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def vww_model(pytestconfig: pytest.Config) -> Model:
    """The model that is on the board: ``to_input`` makes its inputs of pictures."""
    from vww_deploy.graph.model import Model

    option = pytestconfig.getoption
    with _errors_without_traceback():
        return Model.load(option("vww_model"), labels=option("vww_labels"), person_label=option("vww_person_label"))


@pytest.fixture(scope="session")
def vww_reference(vww_model: Model) -> Reference:
    """LiteRT's reference interpreter with the model: what the board has to answer, bit for bit."""
    return vww_model.reference


@pytest.fixture(scope="session")
def _vww_flashed(pytestconfig: pytest.Config, vww_model: Model) -> Iterator[BoardUnderTest | FleetBoards]:
    """The board of this worker, or the boards of the fleet, flashed once."""
    if pytestconfig.getoption("vww_cluster"):
        with _errors_without_traceback():
            fleet = _fleet_of_session(pytestconfig)
            from vww_deploy.fleet.hil import FleetBoards

            boards = FleetBoards(fleet, vww_model, pytestconfig.getoption("vww_board"), pytestconfig.stash[_NOTICES])
        pytestconfig.stash[_FLASHED] = boards
        yield boards
        return
    from vww_deploy.hil import board_under_test

    board, port = _board_of_session(pytestconfig)
    instance = f"hil-{_worker(pytestconfig) or 0}-{os.getpid()}"
    with contextlib.ExitStack() as stack:
        with _errors_without_traceback():
            under_test = stack.enter_context(board_under_test(board, vww_model, port=port, instance=instance))
        pytestconfig.stash[_FLASHED] = under_test
        yield under_test


@pytest.fixture
def vww_board(
    request: pytest.FixtureRequest, _vww_flashed: BoardUnderTest | FleetBoards
) -> BoardUnderTest | FleetBoards:
    """The board: flashed once a session, reset before each test. What it prints is shown when the test fails.

    With ``--vww-cluster`` the boards of a fleet, which are not reset.
    """
    board = _vww_flashed
    request.node.user_properties.append(("vww_board", board.board.name))
    board.console.clear()
    with _errors_without_traceback():
        board.restart()
    return board


@pytest.fixture
def vww_device(
    request: pytest.FixtureRequest, vww_board: BoardUnderTest | FleetBoards
) -> Iterator[BoardDevice | FleetDevice]:
    """The board's client: ``infer``, ``infer_many``, ``layer_digests``, ``stats``; of a fleet the first two alone."""
    properties = request.node.user_properties
    with _errors_without_traceback():
        connected = vww_board.connect()
    with connected as device:
        properties.append(("vww_firmware", device.info.firmware_version))
        properties.append(("vww_model_sha256", device.info.model_sha256))
        yield device
        if device.inferences:
            properties.append(_latency(device))
        properties.append(("vww_retries", str(device.retries)))
        if boards := getattr(device, "boards", ()):  # of a fleet
            properties.append(("vww_boards", " ".join(sorted(boards))))


def _latency(device: BoardDevice | FleetDevice) -> tuple[str, str]:
    """The median of what was measured: microseconds, or instructions on a board that only counts them."""
    from vww_deploy.spread import Spread

    times = [inference.latency_us for inference in device.inferences if inference.latency_us is not None]
    if times:
        return "vww_latency_us", str(Spread.of(times).median)
    return "vww_instructions", str(Spread.of(inference.ticks for inference in device.inferences).median)


# -- what a failing test shows ----------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    board = item.config.stash.get(_FLASHED, None)
    # Not by its value, which a test lacks whose board did not even start again.
    if board is None or "vww_board" not in getattr(item, "fixturenames", ()):
        return report
    if not report.failed or call.excinfo is None:
        return report
    for title, lines in (("Board's console", board.console), ("Emulator's log", board.emulator_log)):
        if lines:
            report.sections.append((title, "\n".join(lines)))
    failures = getattr(call.excinfo.value, "failures", ())
    # A plain attribute of plain values: pytest-xdist sends it on to the process that writes the report.
    report.__dict__["vww_failures"] = [(failure.name, failure.text, failure.thumbnail) for failure in failures]
    return report


class _HtmlReport:
    """Writes every test's outcome, and the pictures of those that failed, into one HTML file without scripts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self._rows.append(_row(report))

    def pytest_sessionfinish(self) -> None:
        from vww_deploy.files import write_whole

        write_whole(self._path, _PAGE.replace("ROWS", "\n".join(self._rows)).encode())

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        terminalreporter.write_line(f"Report with pictures: {self._path}")


def _row(report: pytest.TestReport) -> str:
    properties = ", ".join(f"{name} {value}" for name, value in report.user_properties)
    pictures = "".join(
        f'<figure><img src="{html.escape(image)}" alt=""><figcaption>{html.escape(name)}<br>{html.escape(text)}'
        "</figcaption></figure>"
        for name, text, image in report.__dict__.get("vww_failures", [])
    )
    details = "\n".join(text for _, text in report.sections) if report.failed else ""
    said = f"<pre>{html.escape(report.longreprtext)}\n{html.escape(details)}</pre>" if report.failed else ""
    return (
        f'<tr class="{report.outcome}"><td>{report.outcome}</td><td>{html.escape(report.nodeid)}'
        f"<div>{html.escape(properties)}</div>{pictures}{said}</td><td>{report.duration:.2f} s</td></tr>"
    )


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Boards under test</title>
<style>
:root { color-scheme: light dark; --text: #222; --dim: #666; --line: #ddd; --well: #f6f6f6; --yes: #17692f }
:root { --no: #b3261e }
@media screen and (prefers-color-scheme: dark) {
  :root { --text: #e8ecf2; --dim: #9aa4b5; --line: #252d3a; --well: #151a22; --yes: #3ddc97; --no: #ff8a80 }
  body { background: #0c0f14 }
}
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: var(--text) }
table { border-collapse: collapse; width: 100% }
td { border-top: 1px solid var(--line); padding: .5rem; vertical-align: top; overflow-wrap: anywhere }
td:first-child, td:last-child { white-space: nowrap }
td:first-child { font-weight: 600 } .passed td:first-child { color: var(--yes) }
.failed td:first-child { color: var(--no) }
td div { color: var(--dim); font-size: 13px } pre { white-space: pre-wrap; background: var(--well); padding: .75rem }
figure { display: inline-block; margin: .5rem } img { width: 144px; image-rendering: pixelated }
figcaption { font-size: 13px }
</style>
<h1>Boards under test</h1>
<table>
ROWS
</table>
</html>
"""
