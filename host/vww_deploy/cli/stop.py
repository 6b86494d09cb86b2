"""``vww-deploy stop``: the virtual board off."""

from __future__ import annotations

from vww_deploy.cli import common


def command() -> None:
    """Power the virtual board off; flash starts it again. So are those that a fleet which was killed has left.

    Example: vww-deploy stop
    """
    from vww_deploy.boards.drivers import default_board, driver_for
    from vww_deploy.fleet.board import sweep

    sweep()
    ran = driver_for(default_board()).power_off()
    common.err.print("The virtual board is off." if ran else "The virtual board is off already.")
