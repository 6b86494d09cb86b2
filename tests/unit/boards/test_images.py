"""Firmware as a file: true conversions of what the linker made, read back by other tools."""

from __future__ import annotations

import io
import json
import shutil
import struct
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from intelhex import IntelHex

from vww_deploy.boards import images, platformio
from vww_deploy.boards.catalogue import get_board, load_boards
from vww_deploy.boards.flash import build_image
from vww_deploy.boards.platformio import FirmwareImage
from vww_deploy.compiler import compile_model
from vww_deploy.errors import BuildError
from vww_deploy.graph.model import Model

needs_compiler = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs the ARM compiler")

# Code, a gap, constants, and values whose RAM is filled from flash; the rest of RAM is in no file.
PROGRAM = """
#include <stdint.h>
__attribute__((section(".vectors"))) const uint32_t vectors[2] = {0x20001000, 0x11};
const char text[300] __attribute__((section(".constants"))) = "person";
volatile int counter = 0x12345678;
volatile char filled[500];
int main(void) { return counter + filled[0] + text[1] + (int)vectors[0]; }
"""
SCRIPT = """
ENTRY(main)
MEMORY {{ FLASH (rx) : ORIGIN = {address}, LENGTH = 64K  RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 8K }}
SECTIONS {{
  .vectors : {{ KEEP(*(.vectors)) }} > FLASH
  .text : {{ *(.text*) }} > FLASH
  .constants (ORIGIN(FLASH) + 0x600) : {{ KEEP(*(.constants)) }} > FLASH
  .data : {{ *(.data*) }} > RAM AT> FLASH
  .bss : {{ *(.bss*) }} > RAM
}}
"""

Linked = Callable[[int], Path]


@pytest.fixture
def linked(tmp_path: Path) -> Linked:
    """A small program, linked to an address of flash."""

    def link(address: int) -> Path:
        (tmp_path / "main.c").write_text(PROGRAM)
        (tmp_path / "script.ld").write_text(SCRIPT.format(address=hex(address)))
        flags = ["-mcpu=cortex-m4", "-mthumb", "-nostdlib", "-Wl,-Tscript.ld,--no-warn-rwx-segments"]
        command = ["arm-none-eabi-gcc", *flags, "main.c", "-o", "firmware.elf"]
        subprocess.run(command, cwd=tmp_path, check=True)
        return tmp_path / "firmware.elf"

    return link


def objcopy(elf: Path, form: str) -> Path:
    """What binutils makes of the program."""
    copy = elf.with_suffix(f".{form}")
    subprocess.run(["arm-none-eabi-objcopy", "-O", form, elf, copy], check=True)
    return copy


@needs_compiler
def test_bin_and_hex_are_what_binutils_makes(linked: Linked) -> None:
    board = get_board("nano33ble")
    elf = linked(board.address)
    assert images.firmware_file(board, elf, "bin") == objcopy(elf, "binary").read_bytes()
    ours, theirs = IntelHex(), IntelHex(str(objcopy(elf, "ihex")))
    ours.loadhex(io.StringIO(images.firmware_file(board, elf, "hex").decode()))
    theirs.start_addr = None  # the entry, which a microcontroller has in its vectors
    assert ours.todict() == theirs.todict()
    assert images.firmware_file(board, elf, "elf") == elf.read_bytes()


@needs_compiler
def test_uf2_blocks_are_the_flash_page_by_page(linked: Linked) -> None:
    """Every block as the format's specification has it; the pages together are the binary."""
    board = get_board("rpi_pico")
    elf = linked(board.address)
    binary = objcopy(elf, "binary").read_bytes()
    data = images.firmware_file(board, elf, "uf2")
    assert len(data) % 512 == 0
    flash: dict[int, bytes] = {}
    for number in range(len(data) // 512):
        block = data[512 * number : 512 * (number + 1)]
        magic, second, flags, address, size, index, count, family = struct.unpack_from("<8I", block)
        assert (magic, second, block[508:]) == (0x0A324655, 0x9E5D5157, struct.pack("<I", 0x0AB16F30))
        assert (flags, size, index, count, family) == (0x2000, 256, number, len(data) // 512, 0xE48BFF56)
        assert address % 256 == 0 and block[32 + 256 : 508] == bytes(220)
        flash[address] = block[32 : 32 + 256]
    written = b"".join(
        flash.get(address, bytes(256)) for address in range(board.address, board.address + len(binary), 256)
    )
    assert written[: len(binary)] == binary and not any(written[len(binary) :])
    assert len(flash) < len(written) // 256, "pages without bytes are left out"


@needs_compiler
def test_a_firmware_for_another_address_is_refused(linked: Linked) -> None:
    with pytest.raises(BuildError, match="begins at 0x08000000, that of nano33ble at 0x00010000"):
        images.firmware_file(get_board("nano33ble"), linked(0x0800_0000), "hex")


def test_what_is_no_elf_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "firmware.elf").write_bytes(b"nothing of the kind")
    with pytest.raises(BuildError, match="no ELF file"):
        images.firmware_file(get_board("virtual"), tmp_path / "firmware.elf", "bin")


@needs_compiler
def test_the_zip_has_everything_that_a_person_needs(
    linked: Linked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board, model = get_board("nano33ble"), Model.load("person_64_small")
    compiled = compile_model(model.graph)
    elf = linked(board.address)
    monkeypatch.setattr(platformio, "build", lambda *_, **__: FirmwareImage(elf, 2, 1))
    contents = []
    for name in ("one.zip", "two.zip"):
        build_image(model, compiled, board, tmp_path / name)
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert set(files) == {
        *("firmware.elf", "firmware.bin", "firmware.hex", "firmware.json"),
        *("README.txt", "LICENSE", "person_64_small.tflite", "person_64_small.json"),
    }
    assert files["person_64_small.tflite"] == model.path.read_bytes()
    assert json.loads(files["firmware.json"])["model_sha256"] == model.sha256
    assert b"bossac" in files["README.txt"] and b"GPL-2.0" in files["README.txt"]
    assert b"MIT" in files["LICENSE"]


def test_every_board_has_a_form_and_a_way_to_upload_it() -> None:
    model = Model.load("person_64_small")
    for board in load_boards():
        assert board.images and set(board.images) <= {"bin", "hex", "uf2"}, board.name
        assert ("uf2" in board.images) == (board.uf2_family != 0), board.name
        readme = images._readme(board, model)
        named = {form for form in ("bin", "hex", "uf2") if f"firmware.{form}" in readme}
        assert named <= set(board.images), board.name
        assert ("GPL" in images._readme(replace(board, cameras=()), model)) is False
