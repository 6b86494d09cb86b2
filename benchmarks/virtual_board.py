"""How fast the virtual board takes pictures: pictures a second, CPU a picture, and retries.

    python benchmarks/virtual_board.py           # 200 pictures to the virtual board, which is flashed first
    python benchmarks/virtual_board.py 1000

The pictures are the samples that the demo shows, over and over. Times are of this machine; CPU is that of the command
and, where the system says it, of the emulator. Run it on an otherwise idle machine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from vww_deploy.boards.virtual import VirtualBoard
from vww_deploy.pictures.samples import write_samples

_COMMAND = (sys.executable, "-c", "from vww_deploy.cli import main; main()")
_START = 10
"""Pictures of the run that is taken off: starting the command costs what it costs for any number of pictures."""


def emulator_cpu_s() -> float:
    """CPU seconds of the virtual board's emulator since it was started."""
    times = psutil.Process(int((VirtualBoard().folder / "qemu.pid").read_text())).cpu_times()
    return float(times.user + times.system)


def stream(pictures: list[Path], folder: Path) -> tuple[float, float, float, int]:
    """Wall time, CPU of the command, CPU of the emulator (seconds), and retries."""
    store = folder / f"{len(pictures)}.sqlite"
    before, emulator, begun = os.times(), emulator_cpu_s(), time.perf_counter()
    arguments = ["run", *map(str, pictures), "--board", "virtual", "--json", "--store", str(store)]
    ran = subprocess.run([*_COMMAND, *arguments], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - begun, os.times()
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    return (
        wall,
        cpu,
        emulator_cpu_s() - emulator,
        sum(result["retries"] for result in json.loads(ran.stdout)["results"]),
    )


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    subprocess.run([*_COMMAND, "flash", "--board", "virtual"], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = write_samples(folder / "samples")
        pictures = []
        for number in range(count):
            source = samples[number % len(samples)]
            pictures.append(Path(shutil.copy(source, folder / f"{number:05}{source.suffix}")))
        few = stream(pictures[:_START], folder)
        many = stream(pictures, folder)
    wall, cpu, emulator = (a - b for a, b in zip(many[:3], few[:3], strict=True))
    shown = count - _START
    print(f"pictures a second: {shown / wall:.1f}")
    print(f"CPU a picture: {1000 * cpu / shown:.1f} ms the command, {1000 * emulator / shown:.1f} ms the emulator")
    print(f"retries: {many[3]} in {count} pictures")


if __name__ == "__main__":
    main()
