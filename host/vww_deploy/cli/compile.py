"""``vww-deploy compile``: a model as a C++ library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from vww_deploy.cli import common
from vww_deploy.errors import DataError

OptimizeOption = Annotated[
    Literal["speed", "ram"], typer.Option("--optimize", help="What the memory planner prefers.", metavar="speed|ram")
]


def command(
    model: common.ModelArgument = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for the library; default: vww_model.", metavar="DIR"),
    ] = None,
    arduino_library: Annotated[
        Path | None,
        typer.Option(
            "--arduino-library",
            help="Write a library for the Arduino IDE, with two examples, instead of a folder.",
            metavar="OUT.zip",
            dir_okay=False,
        ),
    ] = None,
    optimize: OptimizeOption = "speed",
    as_json: common.JsonOption = False,
) -> None:
    """Write a model as a C++17 library.

    For PlatformIO, an Arduino sketch or plain g++. With --arduino-library also camera, serial link and two examples:
    in the Arduino IDE, Sketch > Include Library > Add .ZIP Library.

    Example: vww-deploy compile person_96_gray -o lib/vww_model
    """
    from vww_deploy.compiler import compile_model
    from vww_deploy.compiler.arduino import library_name, write_arduino_library
    from vww_deploy.graph.model import Model

    if model is None:
        common.notice(common.NO_MODEL)
    loaded = Model.load(model)
    for text in loaded.graph.notices:
        common.notice(f"{loaded.path.name}: {text}")
    if output is not None and arduino_library is not None:
        raise DataError("--output and --arduino-library exclude each other")
    with common.err.status(f"Compiling {loaded.name}"):
        compiled = compile_model(loaded.graph, optimize=optimize)
    if arduino_library is not None:
        written = write_arduino_library(loaded, compiled, arduino_library)
        if as_json:
            common.print_json({"file": str(written), "model_sha256": loaded.sha256})
            return
        common.out.print(f"[green]✓[/] {escape(str(written))}: the Arduino library {library_name(loaded)}")
        common.out.print("In the Arduino IDE: Sketch > Include Library > Add .ZIP Library; then File > Examples.")
        return
    folder = compiled.write(output or Path("vww_model"))
    if as_json:
        common.print_json({"folder": str(folder), "files": sorted(compiled.files), "model_sha256": loaded.sha256})
        return
    common.out.print(f"[green]✓[/] {escape(str(folder))}: {len(compiled.files)} files, {len(compiled.layers)} layers")
    common.out.print(f"Include [bold]vww_model.h[/]; look at it with: vww-deploy inspect {escape(str(loaded.path))}")
