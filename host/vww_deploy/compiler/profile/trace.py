"""Runs a program on an emulated core and counts what it executes."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vww_deploy.advice import advice
from vww_deploy.compiler.profile.instruction import Flow, Instruction, Timing
from vww_deploy.compiler.profile.timings import TIMINGS
from vww_deploy.compiler.targets import Target, cortex_m4
from vww_deploy.errors import BuildError, ToolMissing
from vww_deploy.resources import cache_dir
from vww_deploy.scratch import environment, scratch_folder

_RUN_SECONDS: Final = 240.0
"""A profiled inference takes seconds; one that takes minutes hangs."""


@dataclass(frozen=True, eq=False)
class BasicBlock:
    """Instructions that run in one go."""

    address: int
    instructions: tuple[Instruction, ...]

    @property
    def end(self) -> int:
        """The address after the block."""
        last = self.instructions[-1]
        return last.address + last.size


@dataclass(frozen=True)
class Step:
    """``block`` ran ``count`` times after ``before``, called from the block ``caller`` (None: not by a caller)."""

    caller: BasicBlock | None
    before: BasicBlock | None
    block: BasicBlock
    count: int
    timing: Timing

    @property
    def instructions(self) -> int:
        """Instructions of all runs."""
        return self.count * len(self.block.instructions)

    @property
    def cycles(self) -> int:
        """Modelled cycles of all runs, with the refill that leads into the block."""
        return self.count * sum(self.instruction_cycles())

    def instruction_cycles(self) -> list[int]:
        """Modelled cycles of each instruction of one run; the first carries the refill that leads into the block.

        All 0 where the core's timings are not known.
        """
        cycles_after = self.timing.cycles_after
        if cycles_after is None:
            return [0] * len(self.block.instructions)
        instructions = self.block.instructions
        last = self.before.instructions[-1] if self.before else None
        falls_in = last is not None and self.before is not None and self.before.end == self.block.address
        if last is not None and last.flow is Flow.ALWAYS_LEAVES:
            falls_in = False
        before = last if falls_in else None
        refill = 0 if falls_in or last is None else self.timing.refill
        cycles = []
        for instruction in instructions:
            cycles.append(refill + cycles_after(before, instruction))
            before, refill = instruction, 0
        return cycles


@dataclass(frozen=True)
class Trace:
    """What ran between the markers, by region in the order of time, and what the program wrote."""

    regions: tuple[tuple[Step, ...], ...]
    output: bytes


def run_traced(
    program: Path,
    *,
    begin: int,
    end: int,
    callers: Sequence[tuple[int, int]] = (),
    target: Target = cortex_m4.TARGET,
) -> Trace:
    """Runs an ELF for a target's emulated machine until it exits by semihosting.

    ``begin`` and ``end`` are the addresses of the functions that open and close a region; ``callers`` are address
    ranges (first, after the last) of code whose calls are counted for each caller.

    Raises ToolMissing without QEMU or a C compiler, BuildError when the program does not come to its end.
    """
    emulator = target.get_emulator()
    qemu = shutil.which(emulator.program)
    if qemu is None:
        arm = emulator.program == "qemu-system-arm"
        install = advice().install_qemu if arm else f"apt-get install {emulator.package}"
        raise ToolMissing(f"{emulator.program} is not installed", hint=install)
    with scratch_folder() as folder:
        counts = folder / "counts"
        arguments = [f"out={_quoted(counts)}", f"begin={begin & ~1:x}", f"end={end & ~1:x}"]
        arguments += [f"caller={low:x}-{high:x}" for low, high in callers]
        command = [qemu, "-M", emulator.machine, *emulator.options, "-nographic", "-monitor", "none", "-serial", "null"]
        command += ["-semihosting-config", "enable=on,target=native"]
        command += ["-plugin", ",".join([_quoted(_plugin()), *arguments]), "-kernel", str(program)]
        try:
            ran = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_RUN_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise BuildError(f"{program.name} did not end within {_RUN_SECONDS:.0f} s on the emulator") from None
        text = counts.read_text() if counts.exists() else ""
        if ran.returncode != 0 or not text.endswith("done\n"):
            said = ran.stderr.decode(errors="replace").strip()
            raise BuildError(f"{program.name} failed on the emulator: {said or 'it ended early'}")
    return Trace(_parse(text, TIMINGS[target.name]), ran.stdout)


def _quoted(path: Path) -> str:
    """As QEMU's lists of options have it."""
    return str(path).replace(",", ",,")


def _parse(text: str, timing: Timing) -> tuple[tuple[Step, ...], ...]:
    raw: dict[int, tuple[int, str]] = {}
    blocks: dict[int, BasicBlock] = {}
    regions: dict[int, list[Step]] = {}

    def block(identity: int) -> BasicBlock | None:
        if identity < 0:
            return None
        if identity not in blocks:
            address, instructions = raw[identity]
            blocks[identity] = _block(address, instructions, timing)
        return blocks[identity]

    for line in text.splitlines():
        kind, *words = line.split(" ")
        if kind == "block":
            raw[int(words[0])] = (int(words[1], 16), words[2])
        elif kind == "edge":
            region, caller, before, now, count = (int(w) for w in words)
            target = block(now)
            assert target is not None
            regions.setdefault(region, []).append(Step(block(caller), block(before), target, count, timing))
    return tuple(tuple(steps) for _, steps in sorted(regions.items()))


def _block(address: int, instructions: str, timing: Timing) -> BasicBlock:
    decoded = []
    for word in instructions.split("."):
        data = bytes.fromhex(word)
        # QEMU may hand out a halfword too many at the end of a page.
        data = data[: timing.size(data)]
        decoded.append(timing.decode(address, data))
        address += len(data)
    return BasicBlock(decoded[0].address, tuple(decoded))


def _plugin() -> Path:
    """The plugin's shared library, built on first use into the user's cache."""
    source = Path(__file__).parent / "plugin.c"
    name = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    built = cache_dir() / f"profile-{name}.so"
    if built.exists():
        return built
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise ToolMissing("a C compiler is not installed", hint=advice().install_host_compiler)
    with scratch_folder() as folder:
        made = folder / built.name
        command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(made), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(folder))
        if done.returncode != 0:
            raise BuildError(f"the profiler's QEMU plugin does not build: {done.stderr.strip()}")
        made.replace(built)
    return built
