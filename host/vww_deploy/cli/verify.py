"""``vww-deploy verify``: every layer on the board against the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.markup import escape

from vww_deploy.cli import board_outputs, common, fleet_options

if TYPE_CHECKING:
    from vww_deploy.session.verify import InputCheck


def command(
    model: common.BoardModelArgument = None,
    board: common.BoardOption = None,
    port: common.PortOption = None,
    cluster: fleet_options.ClusterOption = None,
    boards: fleet_options.BoardsOption = None,
    as_json: common.JsonOption = False,
) -> None:
    """Compare every layer on the board with the reference.

    Names the first layer that differs, if one does. With --cluster on every board of a fleet.

    Example: vww-deploy verify person_96_gray --board virtual
    """
    fleet_options.refuse_beside(cluster, boards, board=board, port=port)
    if cluster is None:
        clean = _verify_board(model, board, port, as_json)
    else:
        clean = _verify_fleet(model, cluster, boards, as_json)
    if not clean:
        raise typer.Exit(1)


def _verify_board(model: str | None, board: str | None, port: str | None, as_json: bool) -> bool:
    from vww_deploy.compiler import compile_model
    from vww_deploy.session.connect import open_device
    from vww_deploy.session.verify import noise_inputs, verify

    loaded = common.model_of_board(model, board, port)
    with common.err.status(f"Compiling {loaded.name}"):
        compiled = compile_model(loaded.graph)
    inputs = noise_inputs(loaded.graph.input_activation.shape)
    checks = []
    with open_device(loaded, board=board, port=port) as device, common.progress() as progress:
        task = progress.add_task("verifying", total=len(inputs))
        for check in verify(device, compiled, inputs):
            checks.append(check)
            progress.advance(task)
            if not as_json:
                common.out.print(_line(check), soft_wrap=True)
    clean = not any(check.differing for check in checks)
    if as_json:
        inputs_json = [_to_json(check) for check in checks]
        common.print_json(board_outputs.VerifyOutput(loaded.name, loaded.sha256, clean, inputs_json))
    elif clean:
        common.out.print(f"[bold green]{escape(loaded.name)} is bit-exact on the board.[/]")
    return clean


def _verify_fleet(model: str | None, cluster: str, boards: str | None, as_json: bool) -> bool:
    loaded = fleet_options.model_named(model)
    found = []
    clean = True
    for outcome in fleet_options.each(cluster, loaded, "verify", boards):
        checks: tuple[InputCheck, ...] = outcome.report or ()
        good = not outcome.error and not any(check.differing for check in checks)
        clean &= good
        inputs = [_to_json(check) for check in checks]
        found.append(board_outputs.FleetVerify(outcome.board, good, inputs, outcome.error))
        if not as_json:
            mark = "[green]✓[/]" if good else "[bold red]✗[/]"
            common.out.print(f"{mark} board [bold]{escape(outcome.board)}[/] {escape(outcome.error)}", soft_wrap=True)
            for check in checks if not good else ():
                common.out.print(f"  {_line(check)}", soft_wrap=True)
    if as_json:
        common.print_json(board_outputs.FleetVerifyOutput(loaded.name, loaded.sha256, clean, found))
    elif clean:
        common.out.print(f"[bold green]{escape(loaded.name)} is bit-exact on {len(found)} boards.[/]")
    return clean


def _line(check: InputCheck) -> str:
    if not check.differing:
        return f"[green]✓[/] {check.name}: {check.layers} layers equal"
    from vww_deploy.graph.layer_names import short_name

    first = check.differing[0]
    return (
        f"[bold red]✗[/] {check.name}: {len(check.differing)} of {check.layers} layers differ; the first: "
        f"layer {first.index}, {escape(first.kind)} [bold]{escape(short_name(first.name, first.kind))}[/], "
        f"{' x '.join(map(str, first.activation.shape))}"
    )


def _to_json(check: InputCheck) -> board_outputs.VerifiedInput:
    differing = [board_outputs.DifferingLayer(layer.index, layer.kind, layer.name) for layer in check.differing]
    return board_outputs.VerifiedInput(check.name, check.layers, differing)
