"""``vww-deploy verify``: every layer on the board against the reference."""

from __future__ import annotations

import typer
from rich.markup import escape

from vww_deploy.cli import common


def command(
    model: common.BoardModelArgument = None,
    board: common.BoardOption = None,
    port: common.PortOption = None,
    as_json: common.JsonOption = False,
) -> None:
    """Compare every layer on the board with the reference.

    Names the first layer that differs, if one does.

    Example: vww-deploy verify person_96_gray --board virtual
    """
    from vww_deploy.compiler import compile_model
    from vww_deploy.graph.layer_names import short_name
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
                if not check.differing:
                    common.out.print(f"[green]✓[/] {check.name}: {check.layers} layers equal")
                    continue
                first = check.differing[0]
                common.out.print(
                    f"[bold red]✗[/] {check.name}: {len(check.differing)} of {check.layers} layers differ; the first: "
                    f"layer {first.index}, {escape(first.kind)} [bold]{escape(short_name(first.name, first.kind))}[/], "
                    f"{' x '.join(map(str, first.activation.shape))}",
                    soft_wrap=True,
                )
    clean = not any(check.differing for check in checks)
    if as_json:
        common.print_json(
            {
                "model": loaded.name,
                "model_sha256": loaded.sha256,
                "clean": clean,
                "inputs": [
                    {
                        "name": check.name,
                        "layers": check.layers,
                        "differing": [
                            {"index": layer.index, "kind": layer.kind, "name": layer.name} for layer in check.differing
                        ],
                    }
                    for check in checks
                ],
            }
        )
    elif clean:
        common.out.print(f"[bold green]{escape(loaded.name)} is bit-exact on the board.[/]")
    if not clean:
        raise typer.Exit(1)
