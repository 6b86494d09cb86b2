"""A worker: this machine's boards as Dask resources, a thread a board; a nanny starts it again when it dies."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

from distributed import Nanny, Worker, get_worker
from distributed.core import rpc
from distributed.security import Security
from distributed.utils import sync
from distributed.worker import DEFAULT_METRICS

from vww_deploy.errors import FleetError
from vww_deploy.fleet.blobs import Blobs
from vww_deploy.fleet.board import Offer
from vww_deploy.fleet.machine import Machine
from vww_deploy.fleet.scheduler import NOWHERE, version
from vww_deploy.fleet.shards import Outcome, Shard


def resource(kind: str) -> str:
    """The name of a kind of board among Dask's resources."""
    return f"board:{kind}"


class BoardWorker(Worker):
    """Dask's worker with boards.

    Args:
        offers: the boards.
    """

    def __init__(self, *arguments: Any, offers: Sequence[Offer], **options: Any) -> None:
        self.offers = tuple(offers)
        said = {"version": version(), "boards": [[offer.kind, offer.serial] for offer in offers]}
        options["startup_information"] = {"vww": lambda worker: said}
        # The scheduler has it with each heartbeat: Fleet.places() reads it there.
        options["metrics"] = {**DEFAULT_METRICS, "vww": BoardWorker._state}
        super().__init__(*arguments, **options)
        self.machine: Machine | None = None

    async def start_unsafe(self) -> Any:
        """Takes the boards, then joins."""
        blobs = Blobs()
        blobs.prune()
        self.machine = Machine(self.offers, blobs, self._fetch, self._changed)
        return await super().start_unsafe()  # type: ignore[no-untyped-call]

    def _state(self) -> list[list[Any]]:
        return [] if self.machine is None else self.machine.state()

    def _fetch(self, sha256: str) -> bytes:
        return cast(bytes, sync(self.loop, self.scheduler.vww_get, sha256=sha256))

    def _changed(self, kind: str, left: int) -> None:
        self.loop.add_callback(self.set_resources, **{resource(kind): left})


def do_shard(shard: Shard) -> Outcome:
    """The task: a shard on one of the boards of the worker that runs it."""
    machine = cast(BoardWorker, get_worker()).machine
    assert machine is not None
    return machine.do(shard)


def options(offers: Sequence[Offer], name: str, host: str, security: Security) -> dict[str, Any]:
    """Arguments of :class:`Nanny` for a machine with these boards."""
    kinds = Counter(offer.kind for offer in offers)
    return {
        "worker_class": BoardWorker,
        "offers": tuple(offers),
        "name": name,
        "nthreads": len(offers),
        "resources": {resource(kind): number for kind, number in kinds.items()},
        "host": host,
        "protocol": "tls://" if security.require_encryption else "tcp://",
        "security": security,
        "memory_limit": 0,
        "silence_logs": logging.ERROR,
        "dashboard": False,
        "dashboard_address": NOWHERE,
    }


async def check_version(address: str, security: Security) -> None:
    """Ask the scheduler for its version.

    Raises:
        FleetError: it is another one, or nothing of ours answers.
    """
    theirs = None
    try:
        async with rpc(address, connection_args=security.get_connection_args("worker"), timeout=5) as scheduler:
            theirs = await scheduler.vww_version()
    except (OSError, TimeoutError) as error:
        raise FleetError(
            f"no fleet answers at {address}: {error}", hint="start it there with: vww-deploy fleet scheduler"
        ) from error
    except Exception:
        pass
    refuse_other(address, theirs)


def refuse_other(address: str, theirs: str | None) -> None:
    """Raise FleetError if the scheduler at ``address`` is of another version than this machine."""
    if theirs != version():
        raise FleetError(
            f"{address} is {theirs or 'no fleet of vww-deploy'}, this machine has {version()}",
            hint="install the same version on both",
        )


async def work(address: str, offers: Sequence[Offer], name: str, host: str, security: Security) -> None:
    """Offer boards to the fleet at ``address`` until the process ends.

    Raises:
        FleetError: it cannot be joined.
    """
    await check_version(address, security)
    async with Nanny(address, **options(offers, name, host, security)) as nanny:
        await nanny.finished()
