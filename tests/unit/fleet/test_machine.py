"""The boards of a machine: one shard each at a time, and what becomes of a board that fails."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from vww_deploy.errors import FleetError, LinkError
from vww_deploy.fleet import machine as module
from vww_deploy.fleet.blobs import Blobs
from vww_deploy.fleet.board import LentBoard, Offer
from vww_deploy.fleet.machine import Machine
from vww_deploy.fleet.shards import Item, Outcome, Shard, Work, split
from vww_deploy.link import portlock
from vww_deploy.pictures.outputs import OutputSpec

MODEL = b"a model"
WORK = Work("virtual", "f" * 64, "m", hashlib.sha256(MODEL).hexdigest(), "{}", OutputSpec())


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VWW_DEPLOY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "LEASE_TIMEOUT_S", 0.05)


def machine(
    monkeypatch: pytest.MonkeyPatch, do: Callable[[str, Shard], object], boards: int = 1, **options: object
) -> Machine:
    """A machine whose boards do what ``do`` says, called with the serial number."""

    def done(board: LentBoard, shard: Shard) -> Outcome:
        do(board.offer.serial, shard)
        return Outcome(board.offer.serial, 0, 0)

    monkeypatch.setattr(LentBoard, "do", done)
    offers = [Offer("virtual", f"v{number}") for number in range(boards)]
    return Machine(offers, Blobs(), lambda sha256: MODEL, **options)  # type: ignore[arg-type]


def test_shards_are_the_pictures_in_order_and_the_same_shard_has_the_same_key() -> None:
    items = [Item(number, f"{number:064x}", f"{number}.png") for number in range(5)]
    shards = list(split(WORK, items, 2))
    assert [[item.position for item in shard.items] for shard in shards] == [[0, 1], [2, 3], [4]]
    assert [shard.key for shard in split(WORK, items, 2)] == [shard.key for shard in shards]
    others = [replace(shards[0], work=replace(WORK, firmware="e" * 64)), replace(shards[0], items=tuple(items[:1]))]
    assert len({shard.key for shard in [*shards, *others]}) == 5


def test_what_a_machine_has_already_is_not_fetched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []

    def fetch(sha256: str) -> bytes:
        fetched.append(sha256)
        return MODEL

    one = machine(monkeypatch, lambda serial, shard: None)
    monkeypatch.setattr(one, "_fetch", fetch)
    for _ in range(3):
        assert one.do(Shard(WORK)).error == ""
    assert fetched == [WORK.model_sha256]


def test_two_shards_are_on_two_boards(monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2, timeout=5)
    two = machine(monkeypatch, lambda serial, shard: both.wait(), boards=2)
    outcomes: list[Outcome] = []
    threads = [threading.Thread(target=lambda: outcomes.append(two.do(Shard(WORK)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome.board for outcome in outcomes) == ["v0", "v1"]


def test_a_board_that_fails_three_times_in_a_row_is_set_aside_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(serial: str, shard: Shard) -> None:
        if serial == "v0":
            raise LinkError("no answer", hint="look")

    reported: list[tuple[str, int]] = []
    two = machine(monkeypatch, fail, boards=2, changed=lambda kind, left: reported.append((kind, left)))
    failed = [two.do(Shard(WORK, board="v0")) for _ in range(4)]
    assert [(one.error, one.at_fault, one.set_aside) for one in failed] == [
        ("no answer", True, False),
        ("no answer", True, False),
        ("no answer", True, True),
        ("v0: the board is set aside", True, True),
    ]
    assert reported == [("virtual", 1)]
    assert [two.do(Shard(WORK)).board for _ in range(3)] == ["v1"] * 3


def test_a_board_that_did_a_shard_since_starts_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = iter([True, True, False, True, True, False])

    def sometimes(serial: str, shard: Shard) -> None:
        if next(failing):
            raise LinkError("no answer")

    one = machine(monkeypatch, sometimes)
    assert [one.do(Shard(WORK)).set_aside for _ in range(6)] == [False] * 6


def test_what_is_no_fault_of_the_board_is_told_and_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(serial: str, shard: Shard) -> None:
        raise FleetError("other sources", hint="install")

    one = machine(monkeypatch, fail)
    for _ in range(4):
        outcome = one.do(Shard(WORK))
        assert (outcome.error, outcome.hint, outcome.at_fault, outcome.set_aside) == (
            "other sources", "install", False, False,
        )  # fmt: skip


def test_a_board_is_offered_by_one_program_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    first = machine(monkeypatch, lambda serial, shard: None)
    assert "vww-deploy worker (process" in portlock.offered_by("v0")
    with pytest.raises(LinkError, match=r"v0: vww-deploy worker \(process \d+\) has the board"):
        machine(monkeypatch, lambda serial, shard: None)
    first.close()
    assert portlock.offered_by("v0") == ""
    machine(monkeypatch, lambda serial, shard: None).close()


def test_the_state_says_who_works_who_has_failed_and_who_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    states: list[list[list[object]]] = []

    def fail(serial: str, shard: Shard) -> None:
        states.append(two.state())
        if serial == "v0":
            raise LinkError("no answer")

    two = machine(monkeypatch, fail, boards=2)
    for _ in range(module.MOST_FAILURES):
        two.do(Shard(WORK, board="v0"))
    two.do(Shard(WORK))
    free = ["v1", "free", 0, 0, ""]
    assert states[0] == [["v0", "works", 0, 0, ""], free]
    assert states[2] == [["v0", "works", 0, 2, "no answer"], free]
    assert states[3] == [["v0", "set aside", 0, 3, "no answer"], ["v1", "works", 0, 0, ""]]
    assert two.state() == [["v0", "set aside", 0, 3, "no answer"], free]
