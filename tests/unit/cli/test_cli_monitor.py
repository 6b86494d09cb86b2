"""How ``monitor --plain`` and ``--json`` end."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vww_deploy.cli import monitor
from vww_deploy.runs import recording
from vww_deploy.session.events import Connection, ConsoleLine

Cli = Callable[..., Any]


@pytest.fixture
def ctrl_c_after_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def events(control: object) -> Iterator[ConsoleLine]:
        yield ConsoleLine("hello", at=1.0)
        raise KeyboardInterrupt

    monkeypatch.setattr(monitor, "open_source", lambda *_, **__: SimpleNamespace(events=events))


def test_ctrl_c_ends_the_monitor_in_order(cli: Cli, ctrl_c_after_a_line: None, tmp_path: Path) -> None:
    ran = cli("monitor", "--plain", "--record", tmp_path / "a.vwwrec")
    assert ran.code == 130 and "board: hello" in ran.out
    with recording.Recording(tmp_path / "a.vwwrec") as kept:
        assert len(list(kept.events())) == 1


def test_a_recording_that_stopped_by_itself_is_said_after_ctrl_c_too(
    cli: Cli, ctrl_c_after_a_line: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(event: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(recording, "_to_row", full)
    ran = cli("monitor", "--json", "--record", tmp_path / "a.vwwrec")
    assert ran.code == 1
    assert ran.err.count("the disk is full") == 2  # at once, and at the end


def test_a_board_that_is_waited_for_is_said_once(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def events(control: object) -> Iterator[Connection]:
        for reason in ("none is attached", "none is attached", "no permission"):
            yield Connection("connecting", "looking", at=1.0)
            yield Connection("lost", reason, at=1.0)
        yield Connection("ended", at=1.0)

    monkeypatch.setattr(monitor, "open_source", lambda *_, **__: SimpleNamespace(events=events))
    lines = cli("monitor", "--plain").out.splitlines()
    assert [line.split("  ")[1] for line in lines] == ["lost: none is attached", "lost: no permission", "ended"]


@pytest.mark.parametrize(
    ("arguments", "said", "what_to_do"),
    [
        ((), "a fleet is watched on a page", "--web"),
        (("--web", "photos/"), "FILE and --cluster do not go together", ""),
        (("--web", "--board", "virtual"), "--board and --cluster do not go together", ""),
        (("--web",), "no fleet answers at tcp://127.0.0.1:9", "vww-deploy fleet scheduler"),
    ],
)
def test_a_fleet_that_cannot_be_watched(cli: Cli, arguments: tuple[str, ...], said: str, what_to_do: str) -> None:
    ran = cli("monitor", "--cluster", "tcp://127.0.0.1:9", *arguments)
    assert ran.code == 1 and said in ran.err and what_to_do in ran.err


def test_virtual_boards_of_another_command_are_not_watched(cli: Cli) -> None:
    ran = cli("monitor", "--web", "--cluster", "local:2")
    assert ran.code == 1 and "worker ADDRESS --virtual 2" in ran.err
