"""What each fault costs: the table of docs/faults.md, in made time (tests/unit/link/lockstep.py), the same every time.

    python benchmarks/faults.py                     # all of it; half an hour
    python benchmarks/faults.py flip reset together # some rows
    python benchmarks/faults.py line                # how much of a good line pictures are

Needs g++ and the checkout; no board.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.support.lockstep import Clock, LockstepBoard, compiled, pictures, right_outputs
from vww_deploy.errors import LinkError
from vww_deploy.link.device import Device
from vww_deploy.link.faults import Faults, FaultyTransport, LineFault

RATES = (1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
SEEDS = range(6)
PICTURES = 10
BAUDRATE = 1_000_000


@dataclass(frozen=True)
class Run:
    """Pictures that went through, all of them right."""

    seconds: float
    picture_bytes: int
    retries: int


@contextmanager
def streamed(program: Path, faults: Faults, **line: int | bool) -> Iterator[tuple[Clock, Device]]:
    """A board behind a bad line, in made time."""
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock.install(patch)
        layer_ms, staged = int(line.get("layer_ms", 5)), bool(line.get("staged", True))
        board = LockstepBoard(program, clock, layer_ms=layer_ms, staged=staged)
        try:
            baudrate = int(line.get("baudrate", BAUDRATE))
            yield clock, Device.connect(FaultyTransport(board, faults, reset=board.reset, baudrate=baudrate))
        finally:
            board.close()


def run(program: Path, faults: Faults, count: int = PICTURES, **line: int | bool) -> Run | None:
    """Streams pictures; None when the link gave up. A wrong, missing or doubled result is an AssertionError."""
    images = pictures(count)
    try:
        with streamed(program, faults, **line) as (clock, device):
            started = clock.now
            results = [list(result.outputs) for result in device.infer_many(images)]
            assert results == right_outputs(images)
            return Run(clock.now - started, sum(image.size for image in images), device.link.retries)
    except LinkError:
        return None


def cell(program: Path, kinds: set[LineFault], rate: float) -> str:
    """Goodput in kB/s and retries for each picture; how many of the seeds got through if not all did."""
    runs = [found for seed in SEEDS if (found := run(program, Faults(rate, kinds, seed))) is not None]
    if not runs:
        return f"0 of {len(SEEDS)}"
    goodput = sum(r.picture_bytes for r in runs) / sum(r.seconds for r in runs) / 1000
    retries = sum(r.retries for r in runs) / len(runs) / PICTURES
    some = f"{len(runs)} of {len(SEEDS)}: " if len(runs) < len(SEEDS) else ""
    return f"{some}{goodput:.1f} ({retries:.0f})" if retries >= 10 else f"{some}{goodput:.1f} ({retries:.1f})"


def good_line(program: Path) -> None:
    """Pictures as a part of what the line could carry."""
    print("| inference | second buffer | 115,200 baud | 1 Mbaud |\n|---|---|---|---|")
    for layer_ms, staged in ((0, True), (20, True), (20, False)):
        parts = []
        for baudrate in (115_200, 1_000_000):
            found = run(program, Faults(), 50, layer_ms=layer_ms, staged=staged, baudrate=baudrate)
            assert found is not None
            parts.append(f"{found.picture_bytes / (found.seconds * baudrate / 10):.1%}")
        print(f"| {4 * layer_ms} ms | {'yes' if staged else 'no'} | {' | '.join(parts)} |")


def main() -> None:
    rows = {kind.value: {kind} for kind in LineFault} | {"together": set(LineFault)}
    chosen = sys.argv[1:] or [*rows, "line"]
    if unknown := set(chosen) - {*rows, "line"}:
        sys.exit(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(rows)} and line")
    with tempfile.TemporaryDirectory() as folder:
        program = compiled(Path(folder), "lockstep_device")
        print("| faults a byte | " + " | ".join(f"{rate:.0e}" for rate in RATES) + " |\n" + "|---" * 7 + "|")
        for name in chosen:
            if name == "line":
                good_line(program)
            else:
                print(f"| {name} |", *(f"{cell(program, rows[name], rate)} |" for rate in RATES), flush=True)


if __name__ == "__main__":
    main()
