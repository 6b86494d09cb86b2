"""``vww-deploy flash``: from a model to a board that runs it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from vww_deploy.cli import common
from vww_deploy.cli.board_outputs import FlashBuildOutput, FlashOutput
from vww_deploy.cli.compile import OptimizeOption
from vww_deploy.errors import BoardError, DataError, VwwError


def command(
    model: common.ModelArgument = None,
    board: common.BoardOption = None,
    port: common.PortOption = None,
    labels: common.LabelsOption = None,
    person_label: common.PersonLabelOption = None,
    optimize: OptimizeOption = "speed",
    build_only: Annotated[
        bool, typer.Option("--build-only", help="Build the firmware for --output and upload nothing.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Of --build-only: firmware.bin, .hex, .uf2, .elf, or .zip with all that the board's tools take.",
            metavar="FILE",
            dir_okay=False,
        ),
    ] = None,
    as_json: common.JsonOption = False,
) -> None:
    """Compile a model, build the firmware, upload and check it.

    What cannot fit, and a board that is not there, is said before anything is built.

    Example: vww-deploy flash person_96_gray --board virtual
    """
    from vww_deploy.boards.catalogue import UNLISTED
    from vww_deploy.boards.drivers import driver_for
    from vww_deploy.boards.flash import build_image, flash
    from vww_deploy.compiler import compile_model
    from vww_deploy.graph import known
    from vww_deploy.graph.model import Model
    from vww_deploy.link.messages import Feature
    from vww_deploy.session.connect import choose_board

    chosen = choose_board(board, port)
    if chosen is UNLISTED:
        raise BoardError(
            f"{port}: no board of the catalogue is seen there",
            hint="say which board it is with --board NAME; any other takes `vww-deploy compile --arduino-library`",
        )
    if build_only != (output is not None):
        raise DataError(
            "--build-only and --output go together", hint="vww-deploy flash MODEL -b BOARD --build-only -o firmware.hex"
        )
    if output is not None:
        from vww_deploy.boards.images import check_output

        check_output(chosen, output)
    else:
        driver_for(chosen).check_present(port)
    if model is None:
        common.notice(common.NO_MODEL)
    loaded = Model.load(model, labels=labels, person_label=person_label)
    for text in loaded.graph.notices:
        common.notice(f"{loaded.path.name}: {text}")
    with common.err.status(f"Compiling {loaded.name}") as status:
        compiled = compile_model(loaded.graph, optimize=optimize)
        if output is not None:
            image = build_image(loaded, compiled, chosen, output, progress=common.progress_to(status))
        else:
            flashed = flash(compiled, chosen, port, progress=common.progress_to(status))
    if output is not None:
        if as_json:
            common.print_json(FlashBuildOutput(chosen.name, loaded.name, loaded.sha256, image, output))
            return
        common.out.print(
            f"[green]✓[/] {escape(str(output))}: [bold]{escape(loaded.name)}[/] for [bold]{escape(chosen.name)}[/] "
            f"(flash {image.flash_bytes:,} bytes, RAM {image.ram_bytes:,}, all firmware included)",
            soft_wrap=True,
        )
        return
    with contextlib.suppress(OSError, VwwError):  # the board runs it all the same
        known.remember(loaded)
    if Feature.STAGED_INPUT not in flashed.info.features:
        common.notice(common.NO_OVERLAP)
    if as_json:
        common.print_json(
            FlashOutput(chosen.name, flashed.port, loaded.name, loaded.sha256, flashed.image, flashed.info)
        )
        return
    common.out.print(
        f"[green]✓[/] [bold]{escape(chosen.name)}[/] runs [bold]{escape(loaded.name)}[/] on {escape(flashed.port)} "
        f"(flash {flashed.image.flash_bytes:,} bytes, RAM {flashed.image.ram_bytes:,}, all firmware included)",
        soft_wrap=True,
    )
