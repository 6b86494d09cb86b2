"""``vww-deploy profile``: instructions and modelled cycles by layer and function, without hardware."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from vww_deploy.cli import common
from vww_deploy.cli.compile import OptimizeOption
from vww_deploy.cli.model_outputs import ProfileOutput

if TYPE_CHECKING:
    from vww_deploy.compiler.profile import EngineProfile


def command(
    model: common.ModelArgument = None,
    functions: Annotated[int, typer.Option("--functions", min=0, help="Functions to show.")] = 8,
    listing: Annotated[
        Path | None, typer.Option("--listing", help="Write each executed instruction with its counts.", metavar="FILE")
    ] = None,
    optimize: OptimizeOption = "speed",
    target: Annotated[
        Literal["cortex_m0plus", "cortex_m33", "cortex_m4", "cortex_m7", "rv32imc"],
        typer.Option("--target", help="The core to count on."),
    ] = "cortex_m4",
    as_json: common.JsonOption = False,
) -> None:
    """Count one inference's instructions on an emulated core, and model its cycles.

    Cycles are a model (zero wait states): compare code with code on it. They are modelled for the Cortex-M4 and the
    Cortex-M0+; for the other cores nobody states them.

    Example: vww-deploy profile person_96_gray --target cortex_m0plus
    """
    from vww_deploy.compiler import compile_model
    from vww_deploy.compiler.profile import profile_engine
    from vww_deploy.compiler.targets import get_target
    from vww_deploy.errors import DataError
    from vww_deploy.files import write_whole
    from vww_deploy.graph.model import Model

    if model is None:
        common.notice(common.NO_MODEL)
    loaded = Model.load(model)
    with common.err.status(f"Profiling {loaded.name}"):
        found = profile_engine(compile_model(loaded.graph, optimize=optimize), get_target(target))
    if listing is not None:
        try:
            write_whole(listing, ("\n".join(found.listing) + "\n").encode())
        except OSError as error:
            raise DataError(f"{listing}: cannot be written: {error.strerror}", hint="choose another file") from error
    if as_json:
        common.print_json(
            ProfileOutput(
                model=found.model,
                target=found.target,
                macs=found.macs,
                instructions=found.instructions,
                cycles=found.cycles,
                ram_bytes=found.ram_bytes,
                stack_bytes=found.stack_bytes,
                flash_bytes=found.flash_bytes,
                layers=found.layers,
                functions=found.functions,
            )
        )
        return
    common.out.print(_layers(found))
    common.out.print(_functions(found, functions))
    cycles = "cycles unknown"
    if found.cycles is not None:
        per_mac = f" ({found.cycles / found.macs:.2f} per MAC of the file)" if found.macs else ""
        cycles = f"{common.count(found.cycles)} modelled cycles{per_mac}"
    common.out.print(
        f"[bold]{escape(loaded.name)}[/] on {get_target(target).title}: "
        f"{common.count(found.instructions)} instructions, {cycles}\n"
        f"RAM {common.count(found.ram_bytes)} B and {common.count(found.stack_bytes)} B of stack, "
        f"flash {common.count(found.flash_bytes)} B",
        soft_wrap=True,
    )


def _layers(found: EngineProfile) -> Table:
    table = Table(box=None, pad_edge=False)
    headings = ["layer", "operator", "MACs", "instructions", "instr/MAC"]
    if found.cycles is not None:
        headings += ["cycles", "cycles/MAC"]
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "operator" else "right")
    for layer in found.layers:
        row = [str(layer.index), layer.kind.removesuffix("_2D").lower(), common.count(layer.macs)]
        for spent in (layer.instructions, layer.cycles):
            if spent is not None:
                row += [common.count(spent), f"{spent / layer.macs:.2f}" if layer.macs else ""]
        table.add_row(*row)
    return table


def _functions(found: EngineProfile, most: int) -> Table:
    table = Table(box=None, pad_edge=False)
    known = found.cycles is not None
    for heading in ("function", "instructions", *(["cycles"] if known else []), "share"):
        table.add_column(heading, justify="left" if heading == "function" else "right")
    for cost in found.functions[:most]:
        spent = [cost.instructions] if cost.cycles is None else [cost.instructions, cost.cycles]
        share = spent[-1] / (found.instructions if found.cycles is None else found.cycles)
        table.add_row(escape(cost.name), *map(common.count, spent), f"{100 * share:.1f} %")
    return table
