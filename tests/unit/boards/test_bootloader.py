"""Into the bootloader and back, on a machine whose ports vanish, come back renamed, come back late, or never."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from vww_deploy.boards import bootloader
from vww_deploy.boards.bootloader import Port
from vww_deploy.boards.catalogue import get_board
from vww_deploy.errors import BoardError

NANO = get_board("nano33ble")
APPLICATION, BOOTLOADER = NANO.usb_ids[0], NANO.bootloader_usb_ids[0]


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


def board_at(name: str, usb_id: tuple[int, int] = APPLICATION) -> Port:
    return Port(name, usb_id, "5A3B")


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
    assert bootloader.enter(NANO, None, machine) == "/dev/ttyACM1"
    assert machine.touched == ["/dev/ttyACM0"]


def test_the_bootloader_comes_late() -> None:
    machine = FakeMachine(
        lambda t: [board_at("/dev/ttyACM0")] if t is None else [] if t < 9.5 else [board_at("/dev/ttyACM0", BOOTLOADER)]
    )
    assert bootloader.enter(NANO, None, machine) == "/dev/ttyACM0"


def test_the_bootloader_never_comes() -> None:
    machine = FakeMachine(lambda t: [board_at("/dev/ttyACM0")] if t is None else [])
    with pytest.raises(BoardError, match="does not go into its bootloader") as caught:
        bootloader.enter(NANO, None, machine)
    assert "reset button twice" in caught.value.hint
    assert machine.monotonic() == pytest.approx(1000 + bootloader.BOOTLOADER_TIMEOUT_S, abs=0.2)


def test_a_board_that_ignores_the_touch() -> None:
    machine = FakeMachine(lambda t: [board_at("/dev/ttyACM0")])
    with pytest.raises(BoardError, match="does not go into its bootloader"):
        bootloader.enter(NANO, None, machine)


def test_a_board_that_waits_in_its_bootloader_is_not_touched() -> None:
    machine = FakeMachine(lambda t: [board_at("/dev/ttyACM3", BOOTLOADER)])
    assert bootloader.enter(NANO, None, machine) == "/dev/ttyACM3"
    assert machine.touched == []


def test_no_board_at_all() -> None:
    with pytest.raises(BoardError, match="no Arduino Nano 33 BLE") as caught:
        bootloader.enter(NANO, None, FakeMachine(lambda t: [OTHER]))
    for advice in ("cable without data lines", "udev rule", "reset twice"):
        assert advice in caught.value.hint


def test_a_port_named_by_hand_is_the_one_touched() -> None:
    machine = FakeMachine(
        lambda t: (
            [board_at("/dev/ttyACM0"), board_at("/dev/ttyACM1")]
            if t is None
            else [board_at("/dev/ttyACM0"), board_at("/dev/ttyACM2", BOOTLOADER)]
        )
    )
    assert bootloader.enter(NANO, "/dev/ttyACM1", machine) == "/dev/ttyACM2"
    assert machine.touched == ["/dev/ttyACM1"]


def test_a_port_that_is_busy() -> None:
    with pytest.raises(BoardError, match="/dev/ttyACM7: cannot be opened"):
        bootloader.enter(NANO, "/dev/ttyACM7", FakeMachine(lambda t: [OTHER]))


def test_boards_without_a_serial_bootloader_are_left_to_platformio() -> None:
    feather = get_board("feather_f405")
    machine = FakeMachine(lambda t: [Port("/dev/ttyACM0", feather.usb_ids[0], None)])
    assert bootloader.enter(feather, None, machine) == "/dev/ttyACM0"
    assert machine.touched == []


def test_the_application_comes_back_late_and_renamed() -> None:
    start = 1000.0
    machine: FakeMachine
    machine = FakeMachine(lambda t: [] if machine.monotonic() < start + 15 else [board_at("/dev/ttyACM5")])
    assert bootloader.wait_for_application(NANO, "/dev/ttyACM0", machine) == "/dev/ttyACM5"


def test_the_application_never_comes() -> None:
    machine = FakeMachine(lambda t: [])
    with pytest.raises(BoardError, match="did not come back after the upload") as caught:
        bootloader.wait_for_application(NANO, "/dev/ttyACM0", machine)
    assert "unplug" in caught.value.hint
    assert machine.monotonic() == pytest.approx(1000 + bootloader.APPLICATION_TIMEOUT_S, abs=0.2)


def test_an_upload_that_was_not_whole() -> None:
    machine = FakeMachine(lambda t: [board_at("/dev/ttyACM1", BOOTLOADER)])
    with pytest.raises(BoardError, match="stays in its bootloader"):
        bootloader.wait_for_application(NANO, "/dev/ttyACM0", machine)


def test_a_port_without_usb_ids_named_by_hand_is_taken() -> None:
    machine = FakeMachine(lambda t: [Port("/dev/ttyS0", None, None)])
    assert bootloader.wait_for_application(NANO, "/dev/ttyS0", machine) == "/dev/ttyS0"
