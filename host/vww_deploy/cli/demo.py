"""``vww-deploy demo``: the whole way once, on the virtual board."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape

from vww_deploy.cli import common, run, tables

_NEXT: Final = (
    ("vww-deploy run YOUR_PICTURES", "your own pictures, folders or globs"),
    ("vww-deploy runs show", "this run again; runs export writes it to CSV"),
    ("vww-deploy inspect", "the model: layers, RAM, flash, where it fits"),
    ("vww-deploy verify", "every layer on the board, compared"),
    ("vww-deploy flash YOUR.tflite", "your own model"),
    ("vww-deploy --help", "everything else"),
)
_MODEL: Final = "person_96_rgb"
"""Of the shipped models the one that is right most often: the pictures are in colour."""


def command(
    model: Annotated[
        str,
        typer.Argument(help="A .tflite file or the name of a shipped model.", metavar="MODEL"),
    ] = _MODEL,
    store: common.StoreOption = None,
) -> None:
    """Go the whole way once: compile, flash the virtual board, stream.

    The pictures are scikit-image's.

    Example: vww-deploy demo
    """
    from vww_deploy.boards.catalogue import get_board
    from vww_deploy.boards.flash import flash
    from vww_deploy.compiler import compile_model
    from vww_deploy.graph.model import Model
    from vww_deploy.pictures.gather import gather
    from vww_deploy.pictures.samples import write_samples
    from vww_deploy.resources import cache_dir
    from vww_deploy.runs.store import Store
    from vww_deploy.runs.stream import run_header
    from vww_deploy.session.connect import open_session

    pictures = gather([str(path) for path in write_samples(cache_dir() / "samples")])  # before minutes are spent
    board = get_board("virtual")
    loaded = Model.load(model)
    with common.err.status(f"Compiling {loaded.name}"):
        compiled = compile_model(loaded.graph)
    report = compiled.report()
    common.out.print(
        f"[bold cyan]1[/] compiled [bold]{escape(loaded.name)}[/]: {report.macs / 1e6:.1f} M MACs, "
        f"RAM {report.ram_bytes:,} B, flash {report.flash_bytes:,} B"
    )
    with common.err.status("Building the firmware and starting the virtual board") as status:
        flashed = flash(compiled, board, progress=common.progress_to(status))
    common.out.print(f"[bold cyan]2[/] flashed the virtual board, serial port {escape(flashed.port)}", soft_wrap=True)
    common.out.print("[bold cyan]3[/] streaming sample pictures")
    with Store(store) as opened, open_session(loaded, board="virtual") as session:
        writer = opened.begin(run_header(session), pictures)
        run.stream(session, writer, dict(enumerate(pictures)))
        tables.print_summary(opened, writer.run, common.AS_DEFAULT)
        summary = opened.run(writer.run)
    common.out.print()
    common.out.print("[bold]What to try next[/]")
    for text, what in (*_activate(), *_NEXT):
        common.out.print(f"  [cyan]{text:30}[/] {what}")
    if summary.equal != len(pictures):
        raise typer.Exit(1)


def _activate() -> tuple[tuple[str, str], ...]:
    """What makes the shell find ``vww-deploy``, if it does not."""
    if shutil.which("vww-deploy") is not None:
        return ()
    return ((f". {os.path.relpath(Path(sys.prefix) / 'bin' / 'activate')}", "first: the shell then finds vww-deploy"),)
