"""``vww-deploy fleet``: the key, the scheduler and the boards of many machines."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from vww_deploy.cli import board_outputs, common, fleet_options
from vww_deploy.fleet import require as require_fleet

app = typer.Typer(help="Many boards on many machines: the fleet's key, its scheduler, its boards.")


@app.command()
def init(as_json: common.JsonOption = False) -> None:
    """Make the key that the machines of a fleet know each other by.

    Example: vww-deploy fleet init
    """
    require_fleet()
    from vww_deploy.fleet.security import LIFE, make_key

    certificate, key = make_key()
    if as_json:
        common.print_json(board_outputs.FleetInitOutput(certificate, key))
        return
    common.out.print(f"[green]✓[/] {escape(str(key.parent))}: certificate.pem, key.pem; valid for {LIFE.days} days")
    common.out.print(
        "Copy that folder to the same place on each machine of the fleet, by a way that nobody reads along. Whoever "
        "has the key can run programs on all of them.",
        soft_wrap=True,
    )


@app.command()
def scheduler(
    host: Annotated[
        str,
        typer.Option(
            "--host", metavar="ADDRESS", help="Address to listen on; any but this computer's own takes the fleet's key."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any that is free.")] = 8786,
) -> None:
    """Hand out shards to the machines that join, until Ctrl-C.

    Example: vww-deploy fleet scheduler
    """
    require_fleet()
    from vww_deploy.errors import FleetError
    from vww_deploy.fleet.scheduler import serve
    from vww_deploy.fleet.security import is_loopback, security_for

    scheme = "tcp" if is_loopback(host) else "tls"
    security = security_for(f"{scheme}://{f'[{host}]' if ':' in host else host}:{port or 1}")

    def started(address: str) -> None:
        common.out.print(f"The fleet's address is {escape(address)}", soft_wrap=True)

    try:
        asyncio.run(serve(host, port, security, started))
    except KeyboardInterrupt:
        common.err.print("Stopped.")
    except OSError as error:
        raise FleetError(f"{host}:{port}: {error.strerror or error}", hint="--port names another one") from error


@app.command()
def status(
    address: Annotated[str, typer.Argument(help="Of the fleet's scheduler.", metavar="ADDRESS")],
    as_json: common.JsonOption = False,
) -> None:
    """Show the boards of a fleet.

    Example: vww-deploy fleet status tcp://127.0.0.1:8786
    """
    with fleet_options.joined(address) as fleet:
        places, working = fleet.places(), fleet.count()
    if as_json:
        common.print_json(board_outputs.FleetStatusOutput(address, places, working))
        return
    table = Table("board", "serial number", "machine", "state", box=None, pad_edge=False)
    for name in ("results", "failures"):
        table.add_column(name, justify="right")
    table.add_column("last failure", overflow="fold")
    for place in places:
        names = (place.kind, place.serial, place.host, place.state)
        table.add_row(*map(escape, names), f"{place.results:,}", f"{place.failures:,}", escape(place.error))
    common.out.print(table)
    aside = len(places) - sum(working.values())
    common.out.print(f"{len(places)} boards, {aside} set aside")
