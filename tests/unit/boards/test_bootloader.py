"""Into the bootloader and back, on a machine whose ports vanish, come back renamed, come back late, or never."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from vww_deploy.boards import bootloader
from vww_deploy.boards.bootloader import FlashTarget, Port
from vww_deploy.boards.catalogue import Board, get_board
from vww_deploy.errors import BoardError

NANO = get_board("nano33ble")
APPLICATION, BOOTLOADER = NANO.usb_ids[0], NANO.bootloader_usb_ids[0]


def enter(board: Board, port: str | None, machine: FakeMachine) -> str | None:
    return bootloader.enter(bootloader.pick(board, port, machine), machine)


class FakeMachine:
    """Ports as a function of the seconds since the touch (None before it); time passes only by sleeping."""

    def __init__(self, ports: Callable[[float | None], Sequence[Port]]) -> None:
        self._ports = ports
        self._now = 1000.0
        self._touched_at: float | None = None
        self.touched: list[str] = []

    def ports(self) -> Sequence[Port]:
        return self._ports(None if self._touched_at is None else self._now - self._touched_at)

    def touch(self, device: str) -> None:
        if all(port.device != device for port in self.ports()):
            raise BoardError(f"{device}: cannot be opened")
        self.touched.append(device)
        self._touched_at = self._now

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds


def board_at(name: str, usb_id: tuple[int, int] = APPLICATION, serial_number: str = "5A3B") -> Port:
    return Port(name, usb_id, serial_number)


def meant(port: str, serial_number: str | None = "5A3B", *others: str) -> FlashTarget:
    return FlashTarget(NANO, port, False, serial_number, frozenset(others))


OTHER = Port("/dev/ttyUSB0", (0x10C4, 0xEA60), None)


def test_the_port_comes_back_renamed() -> None:
    machine = FakeMachine(
        lambda t: (
            [OTHER, board_at("/dev/ttyACM0")]
            if t is None
            else [OTHER]
            if t < 1.5
            else [OTHER, board_at("/dev/ttyACM1", BOOTLOADER)]
        )
    )
    assert enter(NANO, None, machine) == "/dev/ttyACM1"
    assert machine.touched == ["/dev/ttyACM0"]


def test_the_bootloader_comes_late() -> None:
    machine = FakeMachine(
        lambda t: [board_at("/dev/ttyACM0")] if t is None else [] if t < 9.5 else [board_at("/dev/ttyACM0", BOOTLOADER)]
    )
    assert enter(NANO, None, machine) == "/dev/ttyACM0"


def test_the_bootloader_never_comes() -> None:
    machine = FakeMachine(lambda t: [board_at("/dev/ttyACM0")] if t is None else [])
    with pytest.raises(BoardError, match="does not go into its bootloader") as caught:
        enter(NANO, None, machine)
    assert "reset button twice" in caught.value.hint
    assert machine.monotonic() == pytest.approx(1000 + bootloader.BOOTLOADER_TIMEOUT_S, abs=0.2)


def test_a_board_that_ignores_the_touch() -> None:
    machine = FakeMachine(lambda t: [board_at("/dev/ttyACM0")])
    with pytest.raises(BoardError, match="does not go into its bootloader"):
        enter(NANO, None, machine)


def test_a_board_that_waits_in_its_bootloader_is_not_touched() -> None:
    machine = FakeMachine(lambda t: [board_at("/dev/ttyACM3", BOOTLOADER)])
    assert enter(NANO, None, machine) == "/dev/ttyACM3"
    assert machine.touched == []


def test_no_board_at_all() -> None:
    with pytest.raises(BoardError, match="no Arduino Nano 33 BLE") as caught:
        enter(NANO, None, FakeMachine(lambda t: [OTHER]))
    for advice in ("cable without data lines", "udev rule", "reset twice"):
        assert advice in caught.value.hint


def test_a_port_named_by_hand_is_the_one_touched() -> None:
    other = board_at("/dev/ttyACM0", APPLICATION, "OTHER")
    machine = FakeMachine(
        lambda t: [other, board_at("/dev/ttyACM1")] if t is None else [other, board_at("/dev/ttyACM2", BOOTLOADER)]
    )
    assert enter(NANO, "/dev/ttyACM1", machine) == "/dev/ttyACM2"
    assert machine.touched == ["/dev/ttyACM1"]


def test_another_board_that_waits_in_its_bootloader_is_left_there() -> None:
    other = board_at("/dev/ttyACM0", BOOTLOADER, "OTHER")
    machine = FakeMachine(
        lambda t: [other, board_at("/dev/ttyACM1")] if t is None else [other, board_at("/dev/ttyACM2", BOOTLOADER)]
    )
    assert enter(NANO, "/dev/ttyACM1", machine) == "/dev/ttyACM2"
    assert machine.touched == ["/dev/ttyACM1"]


def test_a_bootloader_with_a_serial_number_of_its_own() -> None:
    machine = FakeMachine(
        lambda t: [board_at("/dev/ttyACM0")] if t is None else [board_at("/dev/ttyACM0", BOOTLOADER, "ANOTHER")]
    )
    assert enter(NANO, None, machine) == "/dev/ttyACM0"


def test_in_its_bootloader_a_board_is_found_under_another_name_than_the_one_given() -> None:
    machine = FakeMachine(lambda t: [board_at("/dev/ttyACM93", BOOTLOADER)])
    assert enter(NANO, "/dev/ttyACM92", machine) == "/dev/ttyACM93"
    assert machine.touched == []


@pytest.mark.parametrize("usb_id", [APPLICATION, BOOTLOADER])
def test_of_several_boards_one_must_be_named(usb_id: tuple[int, int]) -> None:
    machine = FakeMachine(lambda t: [board_at("/dev/ttyACM0"), board_at("/dev/ttyACM1", usb_id, "OTHER")])
    with pytest.raises(BoardError, match="several boards nano33ble are attached: /dev/ttyACM0, /dev/ttyACM1") as caught:
        enter(NANO, None, machine)
    assert "--port" in caught.value.hint
    assert machine.touched == []


def test_a_port_that_is_busy() -> None:
    with pytest.raises(BoardError, match="/dev/null: cannot be opened"):
        enter(NANO, "/dev/null", FakeMachine(lambda t: [OTHER]))


def test_boards_without_a_serial_bootloader_are_left_to_platformio() -> None:
    feather = get_board("feather_f405")
    machine = FakeMachine(lambda t: [Port("/dev/ttyACM0", feather.usb_ids[0], None)])
    assert enter(feather, None, machine) == "/dev/ttyACM0"
    assert machine.touched == []


def test_the_application_comes_back_late_and_renamed() -> None:
    start = 1000.0
    machine: FakeMachine
    machine = FakeMachine(lambda t: [] if machine.monotonic() < start + 15 else [board_at("/dev/ttyACM5")])
    assert bootloader.wait_for_application(meant("/dev/ttyACM0"), machine) == "/dev/ttyACM5"


def test_the_application_never_comes() -> None:
    machine = FakeMachine(lambda t: [])
    with pytest.raises(BoardError, match="did not come back after the upload") as caught:
        bootloader.wait_for_application(meant("/dev/ttyACM0"), machine)
    assert "unplug" in caught.value.hint
    assert machine.monotonic() == pytest.approx(1000 + bootloader.APPLICATION_TIMEOUT_S, abs=0.2)


def test_an_upload_that_was_not_whole() -> None:
    machine = FakeMachine(lambda t: [board_at("/dev/ttyACM1", BOOTLOADER)])
    with pytest.raises(BoardError, match="stays in its bootloader"):
        bootloader.wait_for_application(meant("/dev/ttyACM0"), machine)


def test_a_port_without_usb_ids_named_by_hand_is_taken() -> None:
    machine = FakeMachine(lambda t: [Port("/dev/ttyS0", None, None)])
    assert bootloader.wait_for_application(meant("/dev/ttyS0", None), machine) == "/dev/ttyS0"


def test_of_two_boards_the_one_that_was_flashed_is_waited_for() -> None:
    """Neither the other one, nor its name, nor the other one under the name that this one had."""
    other = board_at("/dev/ttyACM1", APPLICATION, "OTHER")
    machine: FakeMachine
    machine = FakeMachine(
        lambda t: [other] if machine.monotonic() < 1002 else [other, board_at("/dev/ttyACM0", APPLICATION, "5A3B")]
    )
    # The other one may have been off the bus when this one was picked.
    for others in ([], ["OTHER"]):
        assert bootloader.wait_for_application(meant("/dev/ttyACM1", "5A3B", *others), machine) == "/dev/ttyACM0"


@pytest.mark.parametrize("before", [None, "5A3B"])
def test_an_application_with_a_new_serial_number_is_taken(before: str | None) -> None:
    machine = FakeMachine(
        lambda t: [board_at("/dev/ttyACM0", APPLICATION, "OTHER"), board_at("/dev/ttyACM1", APPLICATION, "NEW")]
    )
    assert bootloader.wait_for_application(meant("/dev/ttyACM2", before, "OTHER"), machine) == "/dev/ttyACM1"


def test_a_board_is_followed_by_its_serial_number() -> None:
    here = [board_at("/dev/ttyACM0"), board_at("/dev/ttyACM1", APPLICATION, "OTHER"), OTHER]
    machine = FakeMachine(lambda t: here)
    where = bootloader.follow(NANO, "/dev/ttyACM0", machine)
    assert where() == "/dev/ttyACM0"
    here[:2] = [board_at("/dev/ttyACM0", APPLICATION, "OTHER"), board_at("/dev/ttyACM2")]
    assert where() == "/dev/ttyACM2"
    here[1] = board_at("/dev/ttyACM2", BOOTLOADER)
    assert where() is None
    assert bootloader.follow(NANO, OTHER.device, machine)() == OTHER.device


def test_boards_of_a_kind_are_flashed_one_after_the_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VWW_DEPLOY_CACHE", str(tmp_path))
    with bootloader.alone(NANO):
        other = FileLock(tmp_path / "flashing" / NANO.name, blocking=False)
        with pytest.raises(Timeout):
            other.acquire()
        with bootloader.alone(get_board("feather_f405")):
            pass
    other.acquire()
    other.release()
