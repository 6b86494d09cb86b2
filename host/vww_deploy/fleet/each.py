"""The same on every board of a fleet, to find the one that is not like the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from vww_deploy.fleet.client import Fleet
from vww_deploy.fleet.run import work_of
from vww_deploy.fleet.shards import Outcome, Shard
from vww_deploy.graph.model import Model


def on_each(
    fleet: Fleet, model: Model, task: Literal["verify", "bench"], boards: str | None = None, repeats: int = 0
) -> Iterator[Outcome]:
    """Verify or bench a model on each board; ``report`` of the outcomes is what one board's has, ``error`` why not.

    Args:
        boards: as :meth:`Fleet.choose` has it.
        repeats: inferences to bench.

    Raises:
        BoardError: nobody offers such boards.
        FleetError: the fleet is gone.
    """
    kind, number = fleet.choose(boards)
    work = work_of(model, kind)
    fleet.put({model.sha256: model.path.read_bytes()})
    serials = sorted(place.serial for place in fleet.places() if place.kind == kind)[:number]
    shards = [Shard(work, task=task, repeats=repeats, board=serial) for serial in serials]
    return (outcome for _, outcome in fleet.outcomes(shards, kind, number))
