"""A fleet on this machine: Dask, two workers, two virtual boards; and one board alone to compare with."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed.security import Security
from typer.testing import CliRunner

from tests.support.pictures import noise_pictures
from vww_deploy.boards.virtual import VirtualBoard
from vww_deploy.cli import build, fleet_options, search
from vww_deploy.errors import BoardError, FleetError, ToolMissing
from vww_deploy.fleet import client, local, scheduler, worker
from vww_deploy.fleet.board import remove
from vww_deploy.fleet.client import Fleet
from vww_deploy.fleet.each import on_each
from vww_deploy.fleet.measure import on_machines
from vww_deploy.fleet.run import FleetRun, work_of
from vww_deploy.fleet.shards import Outcome, Work
from vww_deploy.graph.model import Model
from vww_deploy.hil import BoardUnderTest
from vww_deploy.link.device import Device
from vww_deploy.link.transport import open_transport
from vww_deploy.pictures.gather import Picture
from vww_deploy.runs.export import exported
from vww_deploy.runs.store import Store
from vww_deploy.runs.stream import run_header, stream_run
from vww_deploy.search.costs import planned_cost
from vww_deploy.session.session import Session

pytestmark = [pytest.mark.virtual, pytest.mark.timeout(900)]

PICTURES = 12
NOTICES: list[str] = []
OWN_TO_A_RUN = ("id", "started", "finished", "port")
OWN_TO_A_RESULT = ("at", "board_serial")


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with local.local_fleet(2, NOTICES.append) as started:
        serials = [place.serial for place in started.places()]
        yield started
    assert [serial for serial in serials if VirtualBoard(serial).running] == []
    for serial in serials:  # asking made their folders again
        remove(serial)


@pytest.fixture(scope="module")
def work(vww_model: Model) -> Work:
    return work_of(vww_model, "virtual")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Picture]:
    """The last two cannot be used: one is no picture, one is empty."""
    folder = tmp_path_factory.mktemp("pictures")
    out = [Picture(str(path), number % 2) for number, path in enumerate(noise_pictures(folder, PICTURES))]
    for name, content in (("text.png", b"no picture"), ("empty.png", b"")):
        (folder / name).write_bytes(content)
        out.append(Picture(str(folder / name)))
    return out


def contents(store: Store, run: int) -> dict[str, Any]:
    """The run's JSON without times and boards."""
    values = asdict(exported(store, run))
    for name in OWN_TO_A_RUN:
        del values[name]
    for result in values["results"]:
        for name in OWN_TO_A_RESULT:
            del result[name]
    return values


@pytest.fixture
def alone(vww_board: BoardUnderTest, vww_model: Model, pictures: list[Picture], tmp_path: Path) -> dict[str, Any]:
    """The run on one board."""
    firmware = vww_board.driver.firmware_image()
    assert firmware is not None
    image = hashlib.sha256(firmware.read_bytes()).hexdigest()
    with Store(tmp_path / "alone") as store, Device.connect(open_transport(vww_board.port)) as device:
        session = Session(device, vww_model, firmware_sha256=image)
        writer = store.begin(run_header(session), pictures)
        for _ in stream_run(session, writer, dict(enumerate(pictures))):
            pass
        return contents(store, writer.run)


def test_two_boards_give_the_json_of_one_but_for_times_and_boards(
    alone: dict[str, Any], fleet: Fleet, vww_model: Model, work: Work, pictures: list[Picture], tmp_path: Path
) -> None:
    kind, boards = fleet.choose()
    assert (kind, boards) == ("virtual", 2)
    with Store(tmp_path / "r") as store:
        outcomes: list[Outcome] = []
        for _ in range(2):
            run = FleetRun(fleet, vww_model, work, boards, store, size=3)
            outcomes += run.start(pictures)
            assert run.writer is not None
            assert contents(store, run.writer.run) == alone
            used = {result.board_serial for result in store.results(run.writer.run)}
            assert used == {place.serial for place in fleet.places()}
        # A board is flashed once, whatever it is asked for.
        assert sum(outcome.flashed for outcome in outcomes) <= 2


def results_of(fleet: Fleet) -> dict[str, int]:
    """Inferences by board, asked of the workers themselves."""
    states = fleet._client.run(lambda dask_worker: dask_worker.machine.state())
    return {serial: results for boards in states.values() for serial, _, results, *_ in boards}


def test_what_each_board_does_is_said_to_whoever_asks(
    fleet: Fleet, vww_model: Model, work: Work, pictures: list[Picture], tmp_path: Path
) -> None:
    before = results_of(fleet)
    with Store(tmp_path / "r") as store:  # in shards of this test's own: Dask may still hold another test's results
        outcomes = list(FleetRun(fleet, vww_model, work, 2, store, size=5).start(pictures))
    done = Counter(before)
    for outcome in outcomes:
        done[outcome.board] += len(outcome.results)
    assert results_of(fleet) == done
    said: dict[str, tuple[int, str]] = {}
    deadline = time.monotonic() + 60
    while said != {serial: (number, "free") for serial, number in done.items()}:  # with the workers' next heartbeat
        assert time.monotonic() < deadline, said
        time.sleep(0.1)
        said = {place.serial: (place.results, place.state) for place in fleet.places()}


def test_a_killed_emulator_and_a_killed_worker_lose_nothing_and_add_nothing(
    alone: dict[str, Any], fleet: Fleet, vww_model: Model, work: Work, pictures: list[Picture], tmp_path: Path
) -> None:
    NOTICES.clear()
    with Store(tmp_path / "r") as store:
        run = FleetRun(fleet, vww_model, work, 2, store, size=2)
        outcomes = run.start(pictures)
        first = next(outcomes)
        kill_emulator(first.board)
        other = next(place for place in fleet.places() if place.serial != first.board)
        os.kill(fleet._client.run(os.getpid, workers=[other.worker])[other.worker], signal.SIGKILL)
        for _ in outcomes:
            pass
        assert run.writer is not None
        assert contents(store, run.writer.run) == alone
    deadline = time.monotonic() + 60
    while fleet.count() != {"virtual": 2} and time.monotonic() < deadline:  # the nanny starts another worker
        time.sleep(0.1)
    assert fleet.count() == {"virtual": 2}


def kill_emulator(serial: str) -> None:
    process = psutil.Process(int((VirtualBoard(serial).folder / "qemu.pid").read_text()))
    process.kill()


def test_each_board_is_verified_and_benched(fleet: Fleet, vww_model: Model) -> None:
    serials = {place.serial for place in fleet.places()}
    verified = list(on_each(fleet, vww_model, "verify"))
    assert {outcome.board for outcome in verified} == serials
    assert all(check.layers and not check.differing for outcome in verified for check in outcome.report)
    benched = list(on_each(fleet, vww_model, "bench", repeats=1))
    assert {outcome.board for outcome in benched} == serials
    assert len({outcome.report.total.median for outcome in benched}) == 1  # instructions, the same on each


def test_a_board_that_nobody_has_is_an_error_within_five_seconds(fleet: Fleet) -> None:
    started = time.monotonic()
    with pytest.raises(BoardError, match=r"does not offer a nano33ble: it has 2 virtual") as caught:
        fleet.choose("nano33ble")
    assert time.monotonic() - started < 5
    assert "vww-deploy worker" in caught.value.hint


def test_more_boards_than_there_are_is_an_error(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BOARDS_TIMEOUT_S", 0)
    with pytest.raises(BoardError, match=r"does not offer 3 virtual: it has 2 virtual"):
        fleet.choose("virtual=3")


@pytest.mark.parametrize("key", [Security(), Security.temporary()], ids=["plain", "another key"])
def test_who_lacks_the_key_is_not_let_in(fleet: Fleet, key: Security) -> None:
    address = fleet.address if key.require_encryption else fleet.address.replace("tls", "tcp")
    with pytest.raises(FleetError, match="no fleet answers"), client.joined(address, key, NOTICES.append, 1):
        pass


def test_a_machine_of_another_version_is_refused(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "version", lambda: "vww-deploy 0.0.1 with Dask 2026.8.0")
    trusted = fleet._client.security
    match = f"is {scheduler.version()}, this machine has vww-deploy 0.0.1"
    with pytest.raises(FleetError, match=match), client.joined(fleet.address, trusted, NOTICES.append):
        pass
    with pytest.raises(FleetError, match=match):
        fleet._client.sync(worker.check_version, fleet.address, trusted)


def test_a_board_that_is_set_aside_is_offered_no_more(fleet: Fleet) -> None:
    place = fleet.places()[0]

    def set_aside(dask_worker: Any) -> None:
        dask_worker.machine._set_aside(dask_worker.machine._boards[0])

    fleet._client.run(set_aside, workers=[place.worker])
    deadline = time.monotonic() + 5
    while fleet.count() != {"virtual": 1} and time.monotonic() < deadline:
        time.sleep(0.05)
    assert fleet.choose() == ("virtual", 1)


def test_machines_that_have_nothing_to_do(fleet: Fleet) -> None:
    assert list(on_machines(fleet, planned_cost, [])) == []


def _lacks(value: int) -> int:
    raise ToolMissing(f"{value} is not installed", hint="install it")


def test_what_a_machine_cannot_do_is_said_as_this_one_would(fleet: Fleet) -> None:
    with pytest.raises(ToolMissing, match="3 is not installed") as caught:
        list(on_machines(fleet, _lacks, [3]))
    assert caught.value.hint == "install it"


def test_a_search_on_a_fleet_finds_what_it_finds_alone(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("_TABLE_TRIALS", 60), ("_PLANNED", 3), ("_COUNTED", 1)):
        monkeypatch.setattr(search, name, value)
    monkeypatch.setattr(fleet_options, "joined", lambda cluster: contextlib.nullcontext(fleet))
    printed = []
    for number, where in enumerate(([], ["--cluster", fleet.address])):
        study = tmp_path / f"{number}.journal"
        arguments = ["search", "--dry-run", "--board", "nano33ble", "--study", str(study), "--json", *where]
        done = CliRunner().invoke(build(), arguments)
        assert done.exit_code == 0, done.output
        printed.append(json.loads(done.stdout))
    assert printed[0] == printed[1]
    assert [one["cost"]["exactness"] for one in printed[1]["candidates"]] == ["counted"]
