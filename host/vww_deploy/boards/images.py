"""A built firmware as the file that a board's tools take: ELF, binary, Intel HEX, UF2, or a zip with all of it."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from intelhex import IntelHex

from vww_deploy import __version__
from vww_deploy.boards.catalogue import Board
from vww_deploy.errors import BuildError, DataError
from vww_deploy.graph.model import Model
from vww_deploy.resources import data_root

# github.com/microsoft/uf2: blocks of 512 bytes, each for itself; RP2040 and RP2350 take 256 bytes of flash in one.
_UF2_MAGIC: Final = (0x0A324655, 0x9E5D5157)
_UF2_END: Final = 0x0AB16F30
_UF2_FAMILY_PRESENT: Final = 0x2000
_UF2_PAYLOAD: Final = 256

# ZIP archives hold times; these have none, so that the same firmware gives the same bytes.
_NO_TIME: Final = (1980, 1, 1, 0, 0, 0)

_UPLOADS: Final = {
    "serial": "press reset twice, then: bossac --port PORT -U -i -e -w firmware.bin -R",
    "dfu": "bring the board into its DFU bootloader, then: dfu-util -a 0 {address}-D firmware.bin",
    "uf2": "hold BOOTSEL while you plug the board in, then copy firmware.uf2 to the drive that appears",
    "esptool": "on a board that has run an Arduino sketch before: esptool write_flash 0x{start:x} firmware.bin",
    "teensy": "open firmware.hex with the Teensy Loader and press the button on the board",
    "none": "the board's own tool, with the file that it takes",
}
_GPL: Final = (
    "The camera's driver in this firmware, Arduino_OV767X, is under GPL-2.0: whoever passes the firmware on passes it "
    "on under that licence.\n"
)


def check_output(board: Board, output: Path) -> None:
    """Raises :class:`DataError`, with what to do, for a file that ``board``'s firmware has no form of, or no folder."""
    form = output.suffix.lower().removeprefix(".")
    forms = ("elf", *board.images, "zip")
    if form not in forms:
        raise DataError(
            f"there is no {output.suffix or 'such'} firmware for {board.name}",
            hint=f"take {output.stem}.{forms[1]}; there are: {', '.join(f'.{one}' for one in forms)}",
        )
    if not output.parent.is_dir():
        raise DataError(f"there is no folder {output.parent}", hint="make it first, or name another one with -o")


def firmware_file(board: Board, elf: Path, form: str) -> bytes:
    """The firmware in one of ``board.images``, or as ``elf``.

    Args:
        elf: what was linked.
        form: ``elf``, ``bin`` (from the lowest address on, gaps zero), ``hex`` or ``uf2``.

    Raises:
        BuildError: the file is no ELF, or the firmware does not begin where the board's firmware does.
    """
    if form == "elf":
        return elf.read_bytes()
    if form == "bin" and board.bootloader == "esptool":  # with headers of their own, which the build writes
        return elf.with_suffix(".bin").read_bytes()
    image = _image(elf)
    if image.minaddr() != board.address:
        raise BuildError(
            f"the firmware begins at 0x{image.minaddr():08x}, that of {board.name} at 0x{board.address:08x}",
            hint="nothing was written; `vww-deploy flash` uploads it with the board's own tool",
        )
    if form == "bin":
        return bytes(image.tobinstr())
    if form == "hex":
        text = io.StringIO()
        image.write_hex_file(text)
        return text.getvalue().encode("ascii")
    return b"".join(_uf2_blocks(image, board.uf2_family))


def firmware_zip(board: Board, elf: Path, model: Model, figures: Mapping[str, int]) -> bytes:
    """All forms of the firmware with the model, its card, how to upload it, and the licence: the same bytes each time.

    Args:
        figures: flash and RAM of the firmware in bytes, by name, for its ``firmware.json``.
    """
    facts = {"board": board.name, "model": model.name, "model_sha256": model.sha256, "version": __version__, **figures}
    files = {f"firmware.{form}": firmware_file(board, elf, form) for form in ("elf", *board.images)}
    files |= {
        f"{model.name}.tflite": model.path.read_bytes(),
        f"{model.name}.json": _json(model.card.to_json()),
        "firmware.json": _json(facts),
        "README.txt": _readme(board, model).encode(),
        "LICENSE": (data_root() / "LICENSE").read_bytes(),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, _NO_TIME), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _image(elf: Path) -> IntelHex:
    """What lies in flash: the sections with bytes, at the addresses that they are loaded from."""
    image = IntelHex()
    image.padding = 0
    try:
        with elf.open("rb") as stream:
            file = ELFFile(stream)
            segments = [one for one in file.iter_segments() if one["p_type"] == "PT_LOAD"]
            for section in file.iter_sections():
                if not section["sh_flags"] & SH_FLAGS.SHF_ALLOC or section["sh_type"] == "SHT_NOBITS":
                    continue
                for segment in segments:
                    if section["sh_size"] and segment.section_in_segment(section):
                        image.puts(segment["p_paddr"] + section["sh_addr"] - segment["p_vaddr"], section.data())
                        break
    except ELFError as error:
        raise BuildError(f"{elf} is no ELF file: {error}") from error
    if image.minaddr() is None:
        raise BuildError(f"{elf} has nothing that goes into flash")
    return image


def _uf2_blocks(image: IntelHex, family: int) -> Iterator[bytes]:
    pages = sorted({address // _UF2_PAYLOAD for address in image.addresses()})
    for number, page in enumerate(pages):
        start = page * _UF2_PAYLOAD
        payload = bytes(image.tobinstr(start=start, size=_UF2_PAYLOAD))
        head = (*_UF2_MAGIC, _UF2_FAMILY_PRESENT, start, _UF2_PAYLOAD, number, len(pages), family)
        yield struct.pack("<8I476sI", *head, payload, _UF2_END)


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _readme(board: Board, model: Model) -> str:
    # STM32's DFU bootloaders want the address; Renesas' know it.
    address = f"-s 0x{board.address:08x}:leave " if board.address >= 0x0800_0000 else ""
    upload = _UPLOADS.get(board.bootloader, _UPLOADS["none"]).format(address=address, start=board.address)
    return (
        f"The firmware of {board.title} ({board.name}) with the model {model.name}, by vww-deploy {__version__}.\n\n"
        f"Upload it: {upload}\n\n"
        f"Then, with the board plugged in: vww-deploy run PICTURES --model {model.name}.tflite --board {board.name}\n\n"
        "firmware.json says what it is; the model's licence is in its card. LICENSE is the firmware's.\n"
        + (_GPL if "ov7675" in board.cameras else "")
    )
