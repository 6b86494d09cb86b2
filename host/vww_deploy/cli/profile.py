"""``vww-deploy profile``: instructions and modelled cycles by layer and function, without hardware."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from vww_deploy.cli import common
from vww_deploy.cli.compile import OptimizeOption

if TYPE_CHECKING:
    from vww_deploy.compiler.profile import EngineProfile


def command(
    model: common.ModelArgument = None,
    functions: Annotated[int, typer.Option("--functions", min=0, help="Functions to show.")] = 8,
    listing: Annotated[
        Path | None, typer.Option("--listing", help="Write each executed instruction with its counts.", metavar="FILE")
    ] = None,
    optimize: OptimizeOption = "speed",
    as_json: common.JsonOption = False,
) -> None:
    """Count one inference's instructions on the emulated Cortex-M4, and model its cycles.

    Cycles are a model (zero wait states): compare code with code on it.

    Example: vww-deploy profile person_96_gray
    """
    from vww_deploy.compiler import compile_model
    from vww_deploy.compiler.profile import profile_engine
    from vww_deploy.errors import DataError
    from vww_deploy.files import write_whole
    from vww_deploy.graph.model import Model

    if model is None:
        common.notice(common.NO_MODEL)
    loaded = Model.load(model)
    with common.err.status(f"Profiling {loaded.name}"):
        found = profile_engine(compile_model(loaded.graph, optimize=optimize))
    if listing is not None:
        try:
            write_whole(listing, ("\n".join(found.listing) + "\n").encode())
        except OSError as error:
            raise DataError(f"{listing}: cannot be written: {error.strerror}", hint="choose another file") from error
    if as_json:
        common.print_json(_json(found))
        return
    common.out.print(_layers(found))
    common.out.print(_functions(found, functions))
    per_mac = f" ({found.cycles / found.macs:.2f} per MAC of the file)" if found.macs else ""
    common.out.print(
        f"[bold]{escape(loaded.name)}[/]: {common.count(found.instructions)} instructions, "
        f"{common.count(found.cycles)} modelled cycles{per_mac}\n"
        f"RAM {common.count(found.ram_bytes)} B and {common.count(found.stack_bytes)} B of stack, "
        f"flash {common.count(found.flash_bytes)} B",
        soft_wrap=True,
    )


def _json(found: EngineProfile) -> dict[str, object]:
    names = (
        "model",
        "macs",
        "instructions",
        "cycles",
        "ram_bytes",
        "stack_bytes",
        "flash_bytes",
        "layers",
        "functions",
    )
    return {name: getattr(found, name) for name in names}


def _layers(found: EngineProfile) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("layer", "operator", "MACs", "instructions", "cycles", "instr/MAC", "cycles/MAC"):
        table.add_column(heading, justify="left" if heading == "operator" else "right")
    for layer in found.layers:
        ratios = (layer.instructions / layer.macs, layer.cycles / layer.macs) if layer.macs else None
        table.add_row(
            str(layer.index),
            layer.kind.removesuffix("_2D").lower(),
            common.count(layer.macs),
            common.count(layer.instructions),
            common.count(layer.cycles),
            *((f"{ratios[0]:.2f}", f"{ratios[1]:.2f}") if ratios else ("", "")),
        )
    return table


def _functions(found: EngineProfile, most: int) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("function", "instructions", "cycles", "share"):
        table.add_column(heading, justify="left" if heading == "function" else "right")
    for cost in found.functions[:most]:
        share = f"{100 * cost.cycles / found.cycles:.1f} %"
        table.add_row(escape(cost.name), common.count(cost.instructions), common.count(cost.cycles), share)
    return table
