"""``vww-deploy bench``: latency on a board, by layer and in total."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from vww_deploy.cli import board_outputs, common, fleet_options

if TYPE_CHECKING:
    from vww_deploy.session.bench import Bench

_BAR = 24


def command(
    model: common.BoardModelArgument = None,
    board: common.BoardOption = None,
    port: common.PortOption = None,
    runs: Annotated[int, typer.Option("--runs", "-n", min=1, help="Inferences to measure.")] = 10,
    cluster: fleet_options.ClusterOption = None,
    boards: fleet_options.BoardsOption = None,
    estimate_for: common.AsOption = common.AS_DEFAULT,
    as_json: common.JsonOption = False,
) -> None:
    """Measure latency on a board, by layer and in total.

    On the virtual board a tick is an instruction, the same in every run. With --cluster the total on every board of a
    fleet.

    Example: vww-deploy bench person_96_gray --board virtual
    """
    fleet_options.refuse_beside(cluster, boards, board=board, port=port)
    if cluster is not None:
        _bench_fleet(model, cluster, boards, runs, estimate_for, as_json)
        return
    from vww_deploy.compiler import compile_model
    from vww_deploy.session.bench import bench
    from vww_deploy.session.connect import open_device
    from vww_deploy.session.latency import estimate

    loaded = common.model_of_board(model, board, port)
    with common.err.status(f"Compiling {loaded.name}"):
        compiled = compile_model(loaded.graph)
    with open_device(loaded, board=board, port=port) as device, common.progress() as progress:
        task = progress.add_task("measuring", total=2 * runs)
        found = bench(device, compiled, runs, lambda: progress.advance(task))
    made = None if found.latency_us is not None else estimate(found.total.median, estimate_for)
    if as_json:
        common.print_json(board_outputs.BenchOutput(loaded.name, loaded.sha256, _figures(found), made))
        return
    common.out.print(_table(found))
    total = found.total
    per_mac = f", {total.median / found.macs:.2f} per MAC of the file" if found.macs else ""
    common.out.print(
        f"[bold]{escape(loaded.name)}[/]: {common.count(total.median)} {found.clock} "
        f"(min {common.count(total.minimum)}, p95 {common.count(total.p95)}, {found.runs} runs){per_mac}; "
        f"{_time(found) if made is None else made}",
        soft_wrap=True,
    )


def _bench_fleet(
    model: str | None, cluster: str, boards: str | None, runs: int, estimate_for: str, as_json: bool
) -> None:
    from vww_deploy.session.latency import estimate

    loaded = fleet_options.model_named(model)
    outcomes = sorted(fleet_options.each(cluster, loaded, "bench", boards, runs), key=lambda one: one.board)
    found = []
    table = Table("board", "median", "min", "p95", "", "", box=None, pad_edge=False)
    for one in outcomes:
        if one.error:
            found.append(board_outputs.FleetBench(one.board, error=one.error))
            table.add_row(escape(one.board), "", "", "", "", f"[red]{escape(one.error)}[/]")
            continue
        bench: Bench = one.report
        made = None if bench.latency_us is not None else estimate(bench.total.median, estimate_for)
        found.append(board_outputs.FleetBench(one.board, _figures(bench), made))
        counts = (common.count(value) for value in (bench.total.median, bench.total.minimum, bench.total.p95))
        table.add_row(escape(one.board), *counts, bench.clock, _time(bench) if made is None else str(made))
    if as_json:
        common.print_json(board_outputs.FleetBenchOutput(loaded.name, loaded.sha256, found))
    else:
        common.out.print(table)
    if any(one.error for one in outcomes):
        raise typer.Exit(1)


def _figures(found: Bench) -> board_outputs.BenchFigures:
    layers = [
        board_outputs.LayerTicks(one.layer.index, one.layer.kind, one.layer.name, one.layer.macs, one.ticks)
        for one in found.layers
    ]
    return board_outputs.BenchFigures(
        found.clock, found.clock_hz, found.runs, found.macs, found.total, found.latency_us, layers
    )


def _time(found: Bench) -> str:
    return "no time measured" if found.latency_us is None else f"{found.latency_us.median / 1000:.2f} ms"


def _table(found: Bench) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("layer", "operator", f"{found.clock}", "p95", "per MAC", ""):
        table.add_column(heading, justify="left" if heading in ("operator", "") else "right")
    most = max((layer.ticks.median for layer in found.layers), default=1) or 1
    for entry in found.layers:
        per_mac = entry.ticks_per_mac
        table.add_row(
            str(entry.layer.index),
            entry.layer.kind.removesuffix("_2D").lower(),
            common.count(entry.ticks.median),
            common.count(entry.ticks.p95),
            f"{per_mac:.2f}" if per_mac is not None else "",
            "█" * round(_BAR * entry.ticks.median / most),
        )
    return table
