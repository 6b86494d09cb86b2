"""A fleet of two workers and two virtual boards: the JSON of one board, its idle share, and what 20 kills cost.

    python benchmarks/fleet.py [--pictures 200] [--kills 20] [--seed 1]

Everything runs in processes as on several machines: `fleet scheduler`, two `worker`, and `run --cluster`. The scheduler
listens on this machine's loopback address. Killed with SIGKILL at random moments, in turn: a worker, a nanny, the
client, an emulator. A killed client's run is continued with --resume, a killed nanny is started again, as a machine's
service manager would.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from vww_deploy.boards.virtual import VirtualBoard
from vww_deploy.fleet import client
from vww_deploy.fleet.board import remove
from vww_deploy.fleet.run import FleetRun, work_of
from vww_deploy.graph.model import Model
from vww_deploy.pictures.gather import gather
from vww_deploy.runs.export import exported
from vww_deploy.runs.store import Store

MODEL = "person_96_gray"
NAMES = ("first", "second")
SHARD = 10
LONGEST_WAIT_S = 6.0  # from one kill to the next
START_TIMEOUT_S = 120.0
RUN_TIMEOUT_S = 1200.0


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-c", "from vww_deploy.cli import main; main()", *map(str, arguments)]


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)


def until(true: Callable[[], bool], timeout_s: float = START_TIMEOUT_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)


class Machines:
    """Two workers of a virtual board each, and the scheduler."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.scheduler = start("fleet", "scheduler", "--port", address.rpartition(":")[2])
        self.nannies = {name: self._worker(name) for name in NAMES}

    def _worker(self, name: str) -> subprocess.Popen[str]:
        return start("worker", self.address, "--virtual", 1, "--name", name)

    def keep_alive(self) -> None:
        """Start again the nannies that have ended."""
        for name, process in self.nannies.items():
            if process.poll() is not None:
                self.nannies[name] = self._worker(name)

    def wait(self) -> None:
        with client.connect(self.address) as fleet:

            def both() -> bool:
                self.keep_alive()
                return fleet.count() == {"virtual": 2}

            until(both)

    def victim(self, what: str, name: str) -> psutil.Process | None:
        """A process to kill; None if there is none just now."""
        try:
            if what == "nanny":
                return psutil.Process(self.nannies[name].pid)
            if what == "QEMU":
                return psutil.Process(int((VirtualBoard(f"fleet-{name}-0").folder / "qemu.pid").read_text()))
            children = psutil.Process(self.nannies[name].pid).children()
            return next(one for one in children if "spawn_main" in " ".join(one.cmdline()))
        except (psutil.NoSuchProcess, OSError, StopIteration, ValueError):
            return None

    def close(self) -> None:
        for process in (*self.nannies.values(), self.scheduler):
            process.kill()
            process.wait()
        for name in NAMES:
            remove(f"fleet-{name}-0")


def contents(run: dict[str, Any]) -> dict[str, Any]:
    """A run's JSON without times and boards."""
    values = {k: v for k, v in run.items() if k not in ("id", "started", "finished", "port", "note")}
    results = [{k: v for k, v in one.items() if k not in ("at", "board_serial")} for one in run["results"]]
    return {**values, "results": results}


def differing(one: dict[str, Any], other: dict[str, Any]) -> str:
    """What is not the same in two runs' JSON; empty if nothing is."""
    names = [name for name in one if name != "results" and one[name] != other[name]]
    fields: Counter[str] = Counter()
    for mine, theirs in zip(one["results"], other["results"], strict=True):
        fields.update(name for name in mine if mine[name] != theirs[name])
    return ", ".join([*names, *(f"{name} of {count} pictures" for name, count in fields.items())])


def run_of(store: Path, run: int) -> dict[str, Any]:
    with Store(store) as opened:
        return asdict(exported(opened, run))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=8799)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vww-fleet-") as name:
        folder = Path(name)
        rng = np.random.default_rng(arguments.seed)
        for number in range(arguments.pictures):
            image = Image.fromarray(rng.integers(0, 256, (24, 24), np.uint8)).resize((96, 96))
            (folder / "pictures").mkdir(exist_ok=True)
            image.save(folder / "pictures" / f"{number:04}.png")
        machines = Machines(f"tcp://127.0.0.1:{arguments.port}")
        try:
            return measure(machines, folder, arguments)
        finally:
            machines.close()


def measure(machines: Machines, folder: Path, arguments: argparse.Namespace) -> int:
    pictures, store = folder / "pictures", folder / "runs.sqlite"
    subprocess.run(command("flash", MODEL, "--board", "virtual"), check=True, stdout=subprocess.DEVNULL)
    started = time.monotonic()
    alone = ("run", pictures, "--model", MODEL, "--board", "virtual", "--store", store)
    subprocess.run(command(*alone), check=True, stdout=subprocess.DEVNULL)
    print(f"one board alone: {arguments.pictures} pictures in {time.monotonic() - started:.1f} s")
    expected = contents(run_of(store, 1))
    until(lambda: answers(machines.address))
    machines.wait()
    ok = compare(machines, pictures, store, expected)
    return 0 if campaign(machines, pictures, store, folder, expected, arguments) and ok else 1


def answers(address: str) -> bool:
    try:
        with client.connect(address):
            return True
    except client.FleetError:
        return False


def compare(machines: Machines, pictures: Path, store: Path, expected: dict[str, Any]) -> bool:
    """A run over both boards, twice: the first flashes them."""
    model = Model.load(MODEL)
    planned = gather([str(pictures)])
    same = True
    with client.connect(machines.address) as fleet, Store(store) as opened:
        for what in ("with flashing", "flashed already"):
            run = FleetRun(fleet, model, work_of(model, "virtual"), 2, opened, SHARD)
            started = time.monotonic()
            outcomes = list(run.start(planned))
            wall = time.monotonic() - started
            boards = {one.board for one in outcomes}
            span = max(one.finished for one in outcomes) - min(one.started for one in outcomes)
            busy = sum(one.finished - one.started for one in outcomes)
            idle = 1 - busy / (span * len(boards))
            assert run.writer is not None
            differs = differing(expected, contents(run_of(store, run.writer.run)))
            same &= not differs and len(boards) == 2
            print(
                f"{len(boards)} boards, {what}: {len(planned)} pictures in {wall:.1f} s, {len(outcomes)} shards, "
                f"idle {idle:.1%} of {span:.1f} s; other than of one board, but for times and boards: "
                f"{differs or 'nothing'}"
            )
    return same


def campaign(
    machines: Machines,
    pictures: Path,
    store: Path,
    folder: Path,
    expected: dict[str, Any],
    arguments: argparse.Namespace,
) -> bool:
    """Runs under fire until all kills are done and the last run is complete."""
    chance = random.Random(arguments.seed)
    kinds = ("worker", "QEMU", "client", "nanny")
    killed: Counter[str] = Counter()
    lost = twice = different = runs = 0
    log = (folder / "client.log").open("w+")
    while killed.total() < arguments.kills:
        runs += 1
        over = ("--model", MODEL, "--cluster", machines.address, "--shard", SHARD, "--store", store)
        known = {one.id for one in opened_runs(store)}
        resume: tuple[object, ...] = (pictures,)
        done = False
        deadline = time.monotonic() + RUN_TIMEOUT_S
        while not done:
            process = subprocess.Popen(command("run", *resume, *over), stdout=subprocess.DEVNULL, stderr=log, text=True)
            while process.poll() is None and time.monotonic() < deadline:
                machines.keep_alive()
                try:
                    process.wait(chance.uniform(0, LONGEST_WAIT_S))
                    break
                except subprocess.TimeoutExpired:
                    pass
                what = kinds[killed.total() % len(kinds)]
                target = (
                    psutil.Process(process.pid) if what == "client" else machines.victim(what, chance.choice(NAMES))
                )
                if killed.total() < arguments.kills and target is not None:
                    target.kill()
                    killed[what] += 1
            if time.monotonic() > deadline:
                process.kill()
                log.seek(0)
                print(log.read()[-3000:])
                raise TimeoutError
            new = [one for one in opened_runs(store) if one.id not in known]
            done = bool(new) and new[-1].state == "complete"
            if new and not done:
                resume = ("--resume", "--run", new[-1].id)
        run = run_of(store, new[-1].id)
        positions = Counter(one["position"] for one in run["results"])
        lost += sum(position not in positions for position in range(arguments.pictures))
        twice += sum(number > 1 for number in positions.values())
        by_position = {one["position"]: one for one in expected["results"]}
        different += sum(one["outputs"] != by_position[one["position"]]["outputs"] for one in contents(run)["results"])
        print(
            f"run {runs}: {dict(killed)} killed so far; differs: {differing(expected, contents(run)) or 'nothing'}",
            flush=True,
        )
    print(f"{killed.total()} kills in {runs} runs: {lost} lost, {twice} twice, {different} different")
    return not lost and not twice and not different


def opened_runs(store: Path) -> list[Any]:
    with Store(store) as opened:
        return opened.runs()


if __name__ == "__main__":
    sys.exit(main())
