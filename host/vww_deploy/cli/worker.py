"""``vww-deploy worker``: this computer's boards for a fleet."""

from __future__ import annotations

import asyncio
import socket
from typing import Annotated

import typer
from rich.markup import escape

from vww_deploy.cli import common
from vww_deploy.errors import BoardError, LinkError
from vww_deploy.fleet import require as require_fleet


def command(
    address: Annotated[str, typer.Argument(help="Of the fleet's scheduler.", metavar="ADDRESS")],
    board: Annotated[
        str | None,
        typer.Option("--board", "-b", metavar="BOARD", help="Offer this kind of board alone; default: all attached."),
    ] = None,
    virtual: Annotated[
        int, typer.Option("--virtual", help="Offer that many virtual boards instead.", min=0, max=64, metavar="N")
    ] = 0,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Of this worker in the fleet; default: this computer's."),
    ] = None,
) -> None:
    """Offer this computer's boards to a fleet, until Ctrl-C.

    Example: vww-deploy worker tls://scheduler:8786
    """
    require_fleet()
    from vww_deploy.boards import platformio
    from vww_deploy.boards.catalogue import get_board
    from vww_deploy.boards.drivers import default_board, driver_for
    from vww_deploy.fleet.board import attached_offers, sweep, virtual_offers
    from vww_deploy.fleet.local import LOOPBACK
    from vww_deploy.fleet.security import is_loopback, security_for, split
    from vww_deploy.fleet.worker import work
    from vww_deploy.link import portlock

    security = security_for(address)
    called = name or socket.gethostname()
    if virtual:
        platformio.check_tools(default_board())
        sweep()
        offers = virtual_offers(called, virtual)
    else:
        offers = attached_offers(None if board is None else get_board(board).name)
    if not offers:
        raise BoardError("no board is attached that could be offered", hint="`vww-deploy boards` shows what is seen")
    for offer in offers:
        if holder := portlock.offered_by(offer.serial):
            raise LinkError(f"{offer.kind} {offer.serial}: {holder} offers it already", hint="give this one a --name")
    said = ", ".join(f"{offer.kind} {offer.serial}" for offer in offers)
    common.err.print(f"{escape(called)} offers to {escape(address)}: {escape(said)}", soft_wrap=True)
    _, host = split(address)
    try:
        asyncio.run(work(address, offers, called, LOOPBACK if is_loopback(host) else "", security))
    except KeyboardInterrupt:
        common.err.print("Stopped; what a board had in hand is done again elsewhere.")
    finally:
        for offer in offers:
            driver_for(get_board(offer.kind), offer.serial).power_off()
