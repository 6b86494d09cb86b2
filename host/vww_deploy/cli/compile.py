"""``vww-deploy compile``: a model as a C++ library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from vww_deploy.cli import common
from vww_deploy.cli.model_outputs import CompileArduinoOutput, CompileOutput
from vww_deploy.errors import DataError

OptimizeOption = Annotated[
    Literal["speed", "ram"], typer.Option("--optimize", help="What the memory planner prefers.", metavar="speed|ram")
]


def command(
    model: common.ModelArgument = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for the library; default: its name.", metavar="DIR"),
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
    name: Annotated[
        str,
        typer.Option(
            "--name",
            help="What the headers are called and all names begin with: several models go into one program.",
            metavar="PREFIX",
        ),
    ] = "vww_model",
    optimize: OptimizeOption = "speed",
    as_json: common.JsonOption = False,
) -> None:
    """Write a model as a C++17 library.

    For PlatformIO, an Arduino sketch or plain g++; its NAME_card.h has labels and threshold. With --arduino-library
    also camera, serial link and two examples: in the Arduino IDE, Sketch > Include Library > Add .ZIP Library.

    Example: vww-deploy compile person_96_gray -o lib/vww_model
    """
    from vww_deploy.compiler import compile_model
    from vww_deploy.compiler.arduino import library_name, write_arduino_library
    from vww_deploy.compiler.library import check_name, write_library
    from vww_deploy.graph.model import Model

    check_name(name)
    if arduino_library is not None and (output is not None or name != "vww_model"):
        raise DataError("--arduino-library takes neither --output nor --name")
    if model is None:
        common.notice(common.NO_MODEL)
    loaded = Model.load(model)
    for text in loaded.graph.notices:
        common.notice(f"{loaded.path.name}: {text}")
    with common.err.status(f"Compiling {loaded.name}"):
        compiled = compile_model(loaded.graph, optimize=optimize)
    if arduino_library is not None:
        written = write_arduino_library(loaded, compiled, arduino_library)
        if as_json:
            common.print_json(CompileArduinoOutput(written, loaded.sha256))
            return
        common.out.print(f"[green]✓[/] {escape(str(written))}: the Arduino library {library_name(loaded)}")
        common.out.print("In the Arduino IDE: Sketch > Include Library > Add .ZIP Library; then File > Examples.")
        return
    folder = output or Path(name)
    files = write_library(loaded, compiled, folder, name)
    if as_json:
        common.print_json(CompileOutput(folder, sorted(files), loaded.sha256))
        return
    common.out.print(f"[green]✓[/] {escape(str(folder))}: {len(files)} files, {len(compiled.layers)} layers")
    common.out.print(
        f"Include [bold]{name}.h[/] and [bold]{name}_card.h[/] as examples/{name}_example does; "
        f"look at the model with: vww-deploy inspect {escape(str(loaded.path))}",
        soft_wrap=True,
    )
