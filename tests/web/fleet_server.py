"""The page over a played fleet, as a process of its own: ``python -m tests.web.fleet_server PORT``.

Lines on standard input are obeyed: ``fail`` has a board fail, ``aside`` sets it aside, ``gone`` takes the fleet away,
``back`` brings it back.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from vww_deploy.errors import FleetError
from vww_deploy.fleet.client import Place
from vww_deploy.monitor.fleet_page import serve
from vww_deploy.monitor.fleet_watch import FleetWatch

HOSTILE = "<img src=x onerror=\"document.title='hacked'\"> <b id=injected>bold</b>"


class PlayedFleet:
    """Six boards, of which the first does ten pictures a second."""

    def __init__(self) -> None:
        self.gone = threading.Event()
        self.started = time.time()
        self.failing = Place("nano33ble", HOSTILE, "tls://2", "shelf", "works", 7)

    def places(self) -> list[Place]:
        if self.gone.is_set():
            raise FleetError("the scheduler is gone")
        done = int(10 * (time.time() - self.started))
        idle = [Place("feather_f405", f"F{number}", "tls://1", "desk") for number in range(4)]
        return [Place("nano33ble", "A1", "tls://1", "desk", "works", 1000 + done), self.failing, *idle]


def obey(fleet: PlayedFleet) -> None:
    for line in sys.stdin:
        if line.strip() == "fail":
            fleet.failing = replace(fleet.failing, failures=fleet.failing.failures + 1, error=HOSTILE)
        elif line.strip() == "aside":
            fleet.failing = replace(fleet.failing, state="set aside")
        elif line.strip() == "gone":
            fleet.gone.set()
        elif line.strip() == "back":
            fleet.gone.clear()


def main() -> None:
    fleet = PlayedFleet()
    threading.Thread(target=obey, args=(fleet,), daemon=True).start()

    @contextlib.contextmanager
    def join() -> Iterator[PlayedFleet]:
        yield fleet

    with FleetWatch(join) as watch:
        address, port = "tls://scheduler:8786", int(sys.argv[1])
        serve(watch, address, port=port, open_browser=False, announce=lambda url: print(url, flush=True))


if __name__ in ("__main__", "__mp_main__"):
    main()
