"""The scheduler: Dask's, on this machine alone or behind TLS, that knows this program's version and keeps its blobs."""

from __future__ import annotations

from typing import Any, Final

import dask
import distributed
from distributed.scheduler import DEFAULT_EXTENSIONS, Scheduler
from distributed.security import Security

from vww_deploy import __version__
from vww_deploy.fleet.blobs import Blobs

ALLOWED_DEATHS: Final = 20
"""Workers that may die under one shard before it is given up: a shard kills none, so it is not to blame."""

# Its own pages, which tell anybody who asks what the fleet does, are not served.
dask.config.set(
    {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": [], "distributed.nanny.http.routes": []}
)
NOWHERE: Final = "127.0.0.1:0"
"""Where the web server listens that Dask cannot do without; it has no pages."""


def version() -> str:
    """What the machines of a fleet must agree in."""
    return f"vww-deploy {__version__} with Dask {distributed.__version__}"


class FleetService:
    """An extension of Dask's scheduler: what clients and workers ask it over its own connections."""

    def __init__(self, scheduler: Any) -> None:
        self._blobs = Blobs()
        self._blobs.prune()
        scheduler.handlers |= {
            "vww_version": version,
            "vww_missing": self.missing,
            "vww_put": self.put,
            "vww_get": self.get,
        }

    def missing(self, hashes: list[str]) -> list[str]:
        """What the client still has to send."""
        return self._blobs.missing(hashes)

    def put(self, files: dict[str, bytes]) -> None:
        """Files from the client."""
        for sha256, data in files.items():
            self._blobs.put(sha256, data)

    def get(self, sha256: str) -> bytes:
        """A file for a machine that lacks it."""
        return self._blobs.read(sha256)


def options(host: str, port: int, security: Security) -> dict[str, Any]:
    """Arguments of :class:`Scheduler` for a fleet's."""
    return {
        "host": host,
        "port": port,
        "protocol": "tls://" if security.require_encryption else "tcp://",
        "security": security,
        "dashboard": False,
        "dashboard_address": NOWHERE,
        "allowed_failures": ALLOWED_DEATHS,
        "extensions": {**DEFAULT_EXTENSIONS, "vww": FleetService},
    }


async def serve(host: str, port: int, security: Security, started: Any) -> None:
    """Schedule until the process ends; ``started`` is called with the address."""
    async with Scheduler(**options(host, port, security)) as scheduler:
        started(scheduler.address)
        await scheduler.finished()
