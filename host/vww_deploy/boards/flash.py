"""From a model to a board that runs it: compile, build, upload, and ask the board what it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vww_deploy.boards import platformio
from vww_deploy.boards.catalogue import Board, get_board
from vww_deploy.boards.drivers import BoardDriver, driver_for
from vww_deploy.boards.platformio import FirmwareImage, Progress
from vww_deploy.boards.running import check_model
from vww_deploy.compiler import Compiled, compile_model
from vww_deploy.errors import DataError, DoesNotFit, LinkError
from vww_deploy.files import write_whole
from vww_deploy.graph.model import Model
from vww_deploy.link.device import Device
from vww_deploy.link.info import DeviceInfo
from vww_deploy.link.transport import open_transport
from vww_deploy.scratch import scratch_folder

# The largest picture that the camera can keep for the host: QCIF in RGB565, besides what the model saw.
_LARGEST_PICTURE_BYTES: Final = 176 * 144 * 2


@dataclass(frozen=True)
class Flashed:
    """A board that runs the model that it should."""

    board: Board
    port: str
    image: FirmwareImage
    info: DeviceInfo


def flash(
    source: str | Path | Compiled, board: Board | str, port: str | None = None, progress: Progress | None = None
) -> Flashed:
    """Puts a model on a board and checks that it runs.

    Args:
        source: a ``.tflite`` file, or what :func:`compile_model` made of one.
        port: of the board; found by its USB ids when None.
        progress: called with what is being done, a line each.

    Raises:
        DoesNotFit: before anything is built, by how many bytes; or the linker found it.
        ToolMissing, BuildError: the firmware cannot be built.
        BoardError, LinkError, ProtocolMismatch: the board does not come along.
    """
    board = get_board(board) if isinstance(board, str) else board
    compiled = source if isinstance(source, Compiled) else compile_model(source)
    return flash_through(driver_for(board), compiled, port, progress)


def flash_through(
    driver: BoardDriver, compiled: Compiled, port: str | None = None, progress: Progress | None = None
) -> Flashed:
    """Puts a compiled model on a board that ``driver`` reaches; the rest is as :func:`flash` has it."""
    board, graph = driver.board, compiled.graph
    check_fits(compiled, board)
    flags = firmware_flags(compiled, board)
    with scratch_folder() as folder:
        library = compiled.write(folder / "vww_model")
        with driver.upload(library, port=port, flags=flags, progress=progress) as (image, where):
            if progress is not None:
                progress(f"Asking the board on {where} what it runs")
            transport = open_transport(where, board.baudrate)
            with Device.connect(transport) as device:
                check_model(device, graph)
                if device.info.board != board.name:
                    raise LinkError(
                        f"{where}: the firmware there is for {device.info.board[:40]}, not {board.name}",
                        hint="another board answered: name the port with --port",
                    )
                return Flashed(board, where, image, device.info)


def build_image(
    model: Model, compiled: Compiled, board: Board, output: Path, progress: Progress | None = None
) -> FirmwareImage:
    """Builds the firmware and writes it as the file ``output``, in the form that its ending says.

    Args:
        model: what was compiled; a ``.zip`` has it inside.
        output: ``.elf`` and ``.zip`` always; ``.bin``, ``.hex`` or ``.uf2`` where the board's tools take one.
        progress: as :func:`flash` has it.

    Raises:
        DataError: the board has no such file (said before the build), or it cannot be written.
        DoesNotFit, ToolMissing, BuildError: as :func:`flash` has them.
    """
    from vww_deploy.boards import images  # with packages that nothing else of flashing needs

    images.check_output(board, output)
    check_fits(compiled, board)
    form = output.suffix.lower().removeprefix(".")
    with scratch_folder() as folder:
        library = compiled.write(folder / "vww_model")
        image = platformio.build(board, library, flags=firmware_flags(compiled, board), progress=progress)
        if form == "zip":
            figures = {"flash_bytes": image.flash_bytes, "ram_bytes": image.ram_bytes}
            content = images.firmware_zip(board, image.elf, model, figures)
        else:
            content = images.firmware_file(board, image.elf, form)
    try:
        write_whole(output, content)
    except OSError as error:
        raise DataError(f"{output} cannot be written: {error.strerror or error}") from error
    return image


def check_fits(compiled: Compiled, board: Board) -> None:
    """Raises :class:`DoesNotFit` for a model that ``board`` has too little RAM or flash for, by how many bytes."""
    report = compiled.report()
    fit = report.fit(ram_bytes=board.ram_bytes, flash_bytes=board.flash_bytes)
    if fit.ok:
        return
    lacks = [
        f"{over:,} bytes of {what} too many (it needs {needs:,}, the board leaves {has:,})"
        for what, over, needs, has in (
            ("RAM", fit.ram_over, report.ram_bytes + report.stack_bytes, board.ram_bytes),
            ("flash", fit.flash_over, report.flash_bytes, board.flash_bytes),
        )
        if over
    ]
    raise DoesNotFit(
        f"{report.name} does not fit {board.name}: {' and '.join(lacks)}",
        hint="`vww-deploy inspect MODEL` shows which boards it fits; --optimize ram takes less RAM",
    )


def firmware_flags(compiled: Compiled, board: Board) -> Mapping[str, int]:
    """What the firmware does with the RAM that the model leaves: first a second input buffer, then a camera picture."""
    report = compiled.report()
    height, width, channels = report.input_shape
    input_bytes = height * width * channels
    spare = board.ram_bytes - report.ram_bytes - report.stack_bytes
    staged = spare >= input_bytes
    if staged:
        spare -= input_bytes
    held = min(spare, input_bytes + _LARGEST_PICTURE_BYTES) if board.cameras else 0
    # Less than the model's own input is no use to anybody.
    return {"VWW_STAGE_INPUT": int(staged), "VWW_HELD_PICTURE_BYTES": held if held >= input_bytes else 0}
