"""``vww-deploy stop``: the virtual board off."""

from __future__ import annotations

from vww_deploy.cli import common


def command() -> None:
    """Power the virtual board off; flash starts it again.

    Example: vww-deploy stop
    """
    from vww_deploy.boards.virtual import VirtualBoard

    board = VirtualBoard()
    if not board.running:
        common.err.print("The virtual board is off already.")
        return
    board.stop()
    common.err.print("The virtual board is off.")
