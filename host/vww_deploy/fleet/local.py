"""A fleet on this machine: scheduler, workers and virtual boards that live as long as the command."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from typing import Final

from distributed import Nanny, Scheduler, SpecCluster
from distributed.security import Security

from vww_deploy.boards import platformio
from vww_deploy.boards.drivers import default_board
from vww_deploy.errors import DataError
from vww_deploy.fleet import client, scheduler, worker
from vww_deploy.fleet.board import remove, sweep, virtual_offers

LOOPBACK: Final = "127.0.0.1"
START_TIMEOUT_S: Final = 60.0
"""Scheduler and client share a process with nannies that start Python; on a busy machine that takes its time."""
_BOARDS: Final = 2
_MOST_BOARDS: Final = 64


def is_local(cluster: str) -> bool:
    """Whether ``cluster`` names virtual boards of this computer: ``local`` or ``local:4``."""
    return cluster.partition(":")[0] == "local"


@contextlib.contextmanager
def named_fleet(cluster: str, notice: Callable[[str], None] = lambda text: None) -> Iterator[client.Fleet]:
    """The fleet at an address, or one of virtual boards that ends with the block: ``local``, ``local:4``.

    Raises:
        DataError: ``local`` is followed by no number of boards.
        FleetError: it cannot be reached, or may not.
    """
    if not is_local(cluster):
        with client.connect(cluster, notice) as fleet:
            yield fleet
        return
    number = cluster.partition(":")[2]
    if number and not (number.isascii() and number.isdigit() and 0 < int(number[:4]) <= _MOST_BOARDS):
        raise DataError(f"--cluster {cluster}: {number!r} is no number of virtual boards", hint="--cluster local:4")
    with local_fleet(int(number or _BOARDS), notice) as fleet:
        yield fleet


@contextlib.contextmanager
def local_fleet(boards: int, notice: Callable[[str], None] = lambda text: None) -> Iterator[client.Fleet]:
    """A fleet of that many virtual boards; a worker each, as far as there are cores. All of it ends with the block.

    Its TLS key lives in memory: on a shared machine nobody else can use the fleet.

    Raises:
        ToolMissing: what a virtual board needs is not installed.
        FleetError: it does not start.
    """
    platformio.check_tools(default_board())
    sweep()
    trusted = Security.temporary()
    number = max(1, min(boards, os.cpu_count() or 1))
    offers = [
        virtual_offers(f"{os.getpid()}-{index}", boards // number + (index < boards % number))
        for index in range(number)
    ]
    workers = {
        index: {"cls": Nanny, "options": worker.options(own, f"local-{index}", LOOPBACK, trusted)}
        for index, own in enumerate(offers)
    }
    try:
        with (
            SpecCluster(
                workers=workers,
                scheduler={"cls": Scheduler, "options": scheduler.options(LOOPBACK, 0, trusted)},
                security=trusted,
                silence_logs=logging.CRITICAL,
            ) as cluster,
            client.joined(cluster.scheduler_address, trusted, notice, START_TIMEOUT_S) as fleet,
        ):
            yield fleet
    finally:
        for offer in (offer for own in offers for offer in own):
            remove(offer.serial)
