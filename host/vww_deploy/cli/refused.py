"""What `inspect` shows of a model that cannot be compiled: what it would be, and what it would cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from vww_deploy.cli import common
from vww_deploy.cli.model_tables import fit_table, layer_table, print_memory

if TYPE_CHECKING:
    from vww_deploy.boards.catalogue import Board
    from vww_deploy.compiler import Optimize
    from vww_deploy.errors import ModelError


def show_refused(path: Path, error: ModelError, boards: list[Board], *, optimize: Optimize, as_json: bool) -> None:
    """Prints the int8 model that a refused file would be, or, as JSON, adds it to the error's details.

    Prints nothing where too little of the file can be understood. The caller raises the error afterwards.
    """
    from vww_deploy.compiler import compile_model
    from vww_deploy.errors import ModelError
    from vww_deploy.graph.stand_in import stand_in

    try:
        found = stand_in(path)
        report = compile_model(found.graph, optimize=optimize).report()
    except ModelError:
        return
    if as_json:
        fits = {b.name: report.fit(ram_bytes=b.ram_bytes, flash_bytes=b.flash_bytes).ok for b in boards}
        error.details = {
            "would_be": {"report": report, "flash_bytes": report.flash_bytes, "boards": fits},
            "left_out": [{**vars(refusal), "advice": refusal.advice} for refusal in found.left_out],
        }
        return
    height, width, channels = report.input_shape
    what = "as the int8 model that it would be" if found.was_float else "as far as it can be compiled"
    common.out.print(f"[bold]{escape(path.stem)}[/]  {escape(str(path))}, {what}", soft_wrap=True)
    common.out.print(f"input      {height} x {width} x {channels}")
    common.out.print(f"MACs       {report.macs:,}")
    common.out.print(f"parameters {report.parameters:,}")
    common.out.print(f"estimate   {report.instructions:,} instructions on a Cortex-M4")
    for refusal in found.left_out:
        advice = f"; {refusal.advice}" if refusal.advice else ""
        common.out.print(f"[yellow]left out[/]   {escape(str(refusal) + advice)}", soft_wrap=True)
    common.out.print()
    common.out.print(layer_table(report))
    print_memory(report)
    common.out.print(fit_table(report, boards))
