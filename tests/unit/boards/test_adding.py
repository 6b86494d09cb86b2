"""Adding a board that is plugged in: a port list of the test's own, the real PlatformIO with a platform of its own."""

from __future__ import annotations

import configparser
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.platforms import platform_with
from vww_deploy.boards import adding, bootloader, platformio
from vww_deploy.boards.adding import add, core_of, left_to_a_model
from vww_deploy.boards.catalogue import get_board, load_boards
from vww_deploy.boards.drivers import attached
from vww_deploy.errors import BoardError


@pytest.fixture(autouse=True)
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of the user's own boards; PlatformIO has three platforms; its registry is played."""
    monkeypatch.setenv("VWW_DEPLOY_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("VWW_DEPLOY_CACHE", str(tmp_path / "cache"))
    platforms = tmp_path / "pio" / "platforms"
    # As PlatformIO's platforms ststm32, atmelsam and gd32 have them.
    platform_with(
        platforms, "ststm32", "blackpill_f411ce", "WeAct Studio", ["stm32f411ceu6", 100, 131_072, 524_288], []
    )
    ids = [["0x239A", "0x8022"], ["0x239A", "0x0022"]]
    platform_with(platforms, "atmelsam", "adafruit_feather_m4", "Adafruit", ["samd51j19a", 120, 196_608, 507_904], ids)
    platform_with(platforms, "gd32", "genericGD32F103C8", "GigaDevice", ["gd32f103c8t6", 108, 20_480, 65_536])
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path / "pio"))
    named = {"id": "bluepill_f103c8", "name": "Bluepill", "platform": "ststm32", "mcu": "STM32F103C8T6"}
    registry = [{**named, "fcpu": 72_000_000, "ram": 20_480, "rom": 65_536}]
    ask = adding._boards
    monkeypatch.setattr(adding, "_boards", lambda words: ask(words) if words[0] == "--installed" else registry)
    return tmp_path / "config" / "boards"


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """What is plugged in; a port that is not on USB to begin with."""
    there = [SimpleNamespace(device="/dev/ttyS0", vid=None, pid=None, serial_number=None, product=None)]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: there)
    return there


def usb(device: str, vid: int, pid: int, product: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(device=device, vid=vid, pid=pid, serial_number="S1", product=product)


def test_a_board_whose_usb_id_an_installed_platform_has(plugged: list[SimpleNamespace], config: Path) -> None:
    plugged += [usb("/dev/ttyACM0", 0x2341, 0x805A), usb("/dev/ttyACM1", 0x239A, 0x8022, "Feather M4\x1b[31m")]
    added = add()
    assert (added.port.device, added.port.product, added.platformio.id) == (
        *("/dev/ttyACM1", "Feather M4[31m"),
        "adafruit_feather_m4",
    )
    assert (added.entry, added.environment) == (
        config / "adafruit_feather_m4.toml",
        config / "adafruit_feather_m4.ini",
    )
    board = get_board("adafruit_feather_m4")
    assert board is not None and board == load_boards()[-1] == added.board
    assert (board.mcu, board.core, board.clock_hz) == ("SAMD51J19A", "Cortex-M4F", 120_000_000)
    assert (board.ram_bytes, board.flash_bytes, board.figures) == (131_072, 348_160, "vendor")
    assert (board.usb_ids, board.bootloader_usb_ids, board.images) == (((0x239A, 0x8022),), (), ())
    assert [(a.board.name, a.port) for a in attached()][-1] == ("adafruit_feather_m4", "/dev/ttyACM1")
    said = " ".join(added.unknown)
    for word in ("131,072 of 196,608 bytes of RAM", "348,160 of 507,904 of flash", "begins in flash", "bootloader"):
        assert word in said
    assert bootloader.pick(board, None).port == "/dev/ttyACM1"


def test_its_environment_is_in_the_project_of_that_board_alone(plugged: list[SimpleNamespace]) -> None:
    plugged.append(usb("/dev/ttyACM1", 0x239A, 0x8022))
    board = add().board
    ini = configparser.RawConfigParser()
    ini.read_string(platformio.project_file(board).decode())
    section = ini["env:adafruit_feather_m4"]
    assert (section["platform"], section["board"]) == ("atmelsam", "adafruit_feather_m4")
    assert '-DVWW_BOARD_NAME=\\"adafruit_feather_m4\\" -O2' in section["build_flags"]
    assert section["build_src_flags"] == "-std=gnu++17"
    assert "env:nano33ble" in ini
    assert b"adafruit_feather_m4" not in platformio.project_file(get_board("nano33ble"))


def test_a_board_that_is_named_and_has_another_boards_usb_id(plugged: list[SimpleNamespace], config: Path) -> None:
    plugged.append(usb("/dev/ttyACM0", 0x0483, 0x5740))
    with pytest.raises(BoardError, match="no USB board is plugged in that the catalogue does not know"):
        add()
    with pytest.raises(BoardError, match="0483:5740, which is that of feather_f405") as caught:
        add("/dev/ttyACM0")
    assert "--platformio" in caught.value.hint
    added = add("/dev/ttyACM0", "blackpill_f411ce")
    assert added.board.usb_ids == ()
    assert "0483:5740 is the USB id of feather_f405 as well: name its port: --port /dev/ttyACM0" in added.unknown
    assert "-std=gnu++17 -DPIO_FRAMEWORK_ARDUINO_ENABLE_CDC -DUSBCON" in added.environment.read_text()
    assert [found.board.name for found in attached()] == ["feather_f405"]
    with pytest.raises(BoardError, match=r"there is a board blackpill_f411ce already, in .*blackpill_f411ce\.toml"):
        add("/dev/ttyACM0", "blackpill_f411ce")
    assert len(list(config.iterdir())) == 2


def test_an_adapters_usb_id_says_nothing_of_the_board(plugged: list[SimpleNamespace]) -> None:
    plugged.append(usb("/dev/ttyUSB0", 0x1A86, 0x7523, "USB Serial"))
    with pytest.raises(BoardError, match=r"ttyUSB0 \(1a86:7523 USB Serial\): no installed platform") as caught:
        add()
    assert "--platformio" in caught.value.hint
    added = add(platformio_id="genericGD32F103C8")
    assert (added.board.name, added.board.target, added.board.usb_ids) == ("genericgd32f103c8", None, ())
    assert added.board.ram_bytes == 0  # 20 KB: nothing is left that could be promised
    assert any("GD32F103C8T6: no latency is estimated" in line for line in added.unknown)
    assert any("1a86:7523 is a serial adapter's" in line for line in added.unknown)
    assert "target" not in tomllib.loads(added.entry.read_text())


def test_what_cannot_be_added(plugged: list[SimpleNamespace], config: Path) -> None:
    plugged += [usb("/dev/ttyACM1", 0x239A, 0x8022), usb("/dev/ttyACM2", 0x239A, 0x1234, "Other")]
    with pytest.raises(BoardError, match=r"several .*: /dev/ttyACM1 \(239a:8022 \), /dev/ttyACM2 \(239a:1234 Other\)"):
        add()
    with pytest.raises(BoardError, match="/dev/ttyACM9: there is no such USB port"):
        add("/dev/ttyACM9")
    with pytest.raises(BoardError, match="/dev/ttyS0: there is no such USB port"):
        add("/dev/ttyS0")
    with pytest.raises(BoardError, match="knows no board 'bluepill'; it knows: bluepill_f103c8") as caught:
        add("/dev/ttyACM2", "bluepill")
    assert "connection" in caught.value.hint
    assert not config.exists()
    config.parent.write_text("in the way")
    with pytest.raises(BoardError, match="cannot be written"):
        add("/dev/ttyACM1")


def test_a_board_of_the_registry(plugged: list[SimpleNamespace]) -> None:
    plugged.append(usb("/dev/ttyACM2", 0x1EAF, 0x0004, "Maple"))
    board = add(platformio_id="bluepill_f103c8").board
    assert (board.mcu, board.target, board.usb_ids) == ("STM32F103C8T6", None, ((0x1EAF, 0x0004),))


def test_two_boards_with_one_usb_id_are_not_chosen_between(plugged: list[SimpleNamespace], tmp_path: Path) -> None:
    plugged.append(usb("/dev/ttyACM1", 0x239A, 0x8022))
    folder = tmp_path / "pio" / "platforms" / "atmelsam" / "boards"
    (folder / "metro_m4.json").write_text((folder / "adafruit_feather_m4.json").read_text())
    (folder / "broken.json").write_text("{")
    with pytest.raises(BoardError, match="may be any of PlatformIO's boards adafruit_feather_m4, metro_m4"):
        add()


def test_platformio_that_does_not_answer(plugged: list[SimpleNamespace], monkeypatch: pytest.MonkeyPatch) -> None:
    plugged.append(usb("/dev/ttyACM1", 0x239A, 0x8022))
    monkeypatch.setattr(adding, "_PLATFORMIO_TIMEOUT_S", 0.001)  # sooner than any program starts
    with pytest.raises(BoardError, match="PlatformIO cannot say which boards it knows"):
        add()


@pytest.mark.parametrize("board", load_boards(), ids=lambda board: board.name)
def test_the_catalogues_boards_would_get_their_core(board: Any) -> None:
    assert core_of(board.mcu) == board.target.name


def test_a_processor_that_is_not_known_gets_no_core() -> None:
    assert [core_of(mcu) for mcu in ("", "ATMEGA328P", "STM32F103C8T6", "R7FA6M5BH", "IMXRT1062")] == [
        *(None, None, None),
        *("cortex_m33", "cortex_m7"),
    ]


# Of what the core gives a sketch: what linking left of it (docs/boards-linked.md), the Nano's without its camera.
@pytest.mark.parametrize(
    ("ram", "flash", "linked"),
    [
        (262_144, 983_040, (200_676, 850_000)),
        (131_072, 1_048_576, (108_000, 980_000)),
        (32_768, 262_144, (14_700, 176_000)),
        (262_144, 16_777_216, (200_000, 15_000_000)),
        (524_288, 786_432, (440_000, 600_000)),
    ],
)
def test_no_more_is_assumed_than_linking_left(ram: int, flash: int, linked: tuple[int, int]) -> None:
    left = left_to_a_model("any", ram, flash)
    assert all(0 < assumed <= measured for assumed, measured in zip(left, linked, strict=True))


_ENTRY = """title = "Mine"
mcu = "X"
clock_hz = 1
ram_bytes = 1
flash_bytes = 1
usb = ["1209:0001"]
bootloader_usb = []
bootloader = "platformio"
address = 0
images = []
figures = "vendor"
baudrate = 115200
cameras = []
"""


@pytest.mark.parametrize(
    ("name", "entry", "said"),
    [
        ("mine", _ENTRY.replace('title = "Mine"\n', ""), "title is missing"),
        ("mine", _ENTRY.replace("clock_hz = 1", 'clock_hz = "fast"'), "clock_hz is no int"),
        ("mine", _ENTRY.replace("images = []", "images = [1]"), "images is no list of strings"),
        ("mine", _ENTRY.replace("1209:0001", "0x1209"), "'0x1209' is no USB id"),
        ("mine", _ENTRY + 'target = "z80"\n', "target is none of cortex_m0plus"),
        ("mine", _ENTRY + 'driver = "jtag"\n', "driver is none of usb, qemu"),
        ("mine", "title = ", "Invalid value"),
        ("Mine", _ENTRY, "small letters"),
        ("nano33ble", _ENTRY, "vww-deploy itself has a board of this name"),
        ("other", _ENTRY, "other.ini cannot be read"),
        ("empty", _ENTRY, r"empty.ini has no \[env:empty\]"),
    ],
)
def test_an_entry_that_somebody_broke_is_named(config: Path, name: str, entry: str, said: str) -> None:
    config.mkdir(parents=True)
    (config / f"{name}.toml").write_text(entry)
    if name != "other":
        (config / f"{name}.ini").write_text("" if name == "empty" else f"[env:{name}]\n")
    with pytest.raises(BoardError, match=rf"{name}\.toml is no board's entry: .*{said}") as caught:
        load_boards()
    assert "docs/boards.md" in caught.value.hint


def test_an_entry_by_hand_is_read(config: Path) -> None:
    config.mkdir(parents=True)
    (config / "mine.toml").write_text(_ENTRY)
    (config / "mine.ini").write_text("[env:mine]\n")
    assert (get_board("mine").title, get_board("mine").core) == ("Mine", "")
