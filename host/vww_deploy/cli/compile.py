"""``vww-deploy compile``: a model as a C++ library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from vww_deploy.cli import common

OptimizeOption = Annotated[
    Literal["speed", "ram"], typer.Option("--optimize", help="What the memory planner prefers.", metavar="speed|ram")
]


def command(
    model: common.ModelArgument = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the library; made when missing.", metavar="DIR")
    ] = Path("vww_model"),
    optimize: OptimizeOption = "speed",
    as_json: common.JsonOption = False,
) -> None:
    """Write a model as a C++17 library.

    For PlatformIO, an Arduino sketch or plain g++.

    Example: vww-deploy compile person_96_gray -o lib/vww_model
    """
    from vww_deploy.compiler import compile_model
    from vww_deploy.graph.model import Model

    loaded = Model.load(model)
    for text in loaded.graph.notices:
        common.notice(f"{loaded.path.name}: {text}")
    with common.err.status(f"Compiling {loaded.name}"):
        compiled = compile_model(loaded.graph, optimize=optimize)
        folder = compiled.write(output)
    if as_json:
        common.print_json({"folder": str(folder), "files": sorted(compiled.files), "model_sha256": loaded.sha256})
        return
    common.out.print(f"[green]✓[/] {escape(str(folder))}: {len(compiled.files)} files, {len(compiled.layers)} layers")
    common.out.print(f"Include [bold]vww_model.h[/]; look at it with: vww-deploy inspect {escape(str(loaded.path))}")
