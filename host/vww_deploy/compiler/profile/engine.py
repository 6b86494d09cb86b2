"""Profiles a compiled model on the emulated Cortex-M4: instructions and modelled cycles by layer and by function."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from vww_deploy.advice import advice
from vww_deploy.compiler.compiled import Compiled
from vww_deploy.compiler.emit import layer_table
from vww_deploy.compiler.profile.elf import Program
from vww_deploy.compiler.profile.trace import Step, run_traced
from vww_deploy.compiler.targets.cortex_m4 import TARGET
from vww_deploy.errors import BuildError, ToolMissing

HARNESS: Final = Path(__file__).parent / "harness"
FLAGS: Final = (
    *(*TARGET.flags, "-O2", "-std=gnu++17", "-g"),
    *("-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-ffunction-sections", "-fdata-sections"),
    *("-nostartfiles", "--specs=nano.specs", "-Wl,--gc-sections"),
)
"""How the profiled program is built: as the virtual board's firmware is."""
_INVOKE: Final = "vww_model_invoke"


@dataclass(frozen=True)
class Cost:
    """Something that was executed: ``cycles`` are modelled for a Cortex-M4 with zero wait states."""

    name: str
    instructions: int
    cycles: int


@dataclass(frozen=True)
class LayerCost:
    """A layer: its operator, its output's tensor name, what it computes and what it took."""

    index: int
    kind: str
    name: str
    macs: int
    instructions: int
    cycles: int


@dataclass(frozen=True, eq=False)
class EngineProfile:
    """One inference (``vww_model_invoke`` alone) on the emulated Cortex-M4.

    ``instructions`` are counted, ``cycles`` modelled. ``ram_bytes`` are the engine's statics (activations and scratch
    among them), ``stack_bytes`` its deepest stack, ``flash_bytes`` weights, tables and code, all measured.
    ``layers`` are in execution order, each with the copies that the compiler put in before it; what lies between the
    kernels is among ``functions`` only. ``listing`` has every executed instruction with its executions and cycles.
    """

    model: str
    macs: int
    instructions: int
    cycles: int
    ram_bytes: int
    stack_bytes: int
    flash_bytes: int
    layers: tuple[LayerCost, ...]
    functions: tuple[Cost, ...]
    listing: tuple[str, ...]
    output: npt.NDArray[np.int8]


def profile_engine(compiled: Compiled) -> EngineProfile:
    """Builds the emitted library for the virtual board's processor, runs one inference of noise, and counts.

    Raises ToolMissing without the Arm compiler, QEMU or a C compiler, BuildError when the program fails.
    """
    with tempfile.TemporaryDirectory(prefix="vww-profile-") as name:
        folder = Path(name)
        library = compiled.write(folder / "model") / "src"
        elf = _build(folder / "engine.elf", library)
        flash, ram = _sizes(elf)
        empty_flash, empty_ram = _sizes(_build(folder / "empty.elf", library, "-DVWW_PROFILE_EMPTY"))
        program = Program(elf)
        try:
            invoke = program.function(_INVOKE)
            trace = run_traced(
                elf,
                begin=program.function("harness_begin").address,
                end=program.function("harness_end").address,
                callers=[(invoke.address, invoke.address + invoke.size)],
            )
            # The first block is harness_begin's return, and main's calls surround the region.
            steps = [s for s in trace.regions[0] if not _is_frame(program, s)]
            lines = (library / "vww_model.cpp").read_text().splitlines()
            return EngineProfile(
                model=compiled.source.name,
                macs=compiled.source.macs,
                instructions=sum(s.instructions for s in steps),
                cycles=sum(s.cycles for s in steps),
                ram_bytes=ram - empty_ram,
                stack_bytes=int.from_bytes(trace.output[:4], "little"),
                flash_bytes=flash - empty_flash,
                layers=_by_layer(compiled, program, lines, steps),
                functions=_by_function(program, steps),
                listing=tuple(_listing(program, steps)),
                output=np.frombuffer(trace.output[4:], np.int8),
            )
        finally:
            program.close()


def profile_input(size: int) -> npt.NDArray[np.int8]:
    """The noise that the profiled inference sees: ``size`` int8."""
    state, values = 12345, []
    for _ in range(size):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        values.append(state >> 24)
    return np.array(values, np.uint8).view(np.int8)


def _build(elf: Path, library: Path, *flags: str) -> Path:
    compiler = shutil.which("arm-none-eabi-g++")
    if compiler is None:
        raise ToolMissing("arm-none-eabi-g++ is not installed", hint=advice().install_cross_compiler)
    sources = [HARNESS / "startup.cpp", HARNESS / "main.cpp", *sorted(library.rglob("*.cpp"))]
    command = [compiler, *FLAGS, *flags, "-T", str(HARNESS / "harness.ld"), f"-I{library}", "-o", str(elf)]
    done = subprocess.run([*command, *map(str, sources)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"the engine does not build for the Cortex-M4: {done.stderr.strip()[-2000:]}")
    return elf


def _sizes(elf: Path) -> tuple[int, int]:
    """Bytes in flash and in RAM."""
    done = subprocess.run(["arm-none-eabi-size", str(elf)], capture_output=True, text=True, check=True)
    text, data, bss = (int(word) for word in done.stdout.splitlines()[1].split()[:3])
    return text + data, data + bss


def _is_frame(program: Program, step: Step) -> bool:
    function = program.function_at(step.block.address)
    return function is not None and function.name in ("main", "harness_begin", "harness_end")


def _by_layer(
    compiled: Compiled, program: Program, lines: Sequence[str], steps: Iterable[Step]
) -> tuple[LayerCost, ...]:
    instructions: Counter[int] = Counter()
    cycles: Counter[int] = Counter()
    for step in steps:
        if step.caller is None:
            continue
        # The call's source line names the layer.
        line = program.line_at(step.caller.instructions[-1].address)
        found = re.search(r"\bkLayer(\d+)\b", lines[line - 1]) if 0 < line <= len(lines) else None
        if found:
            instructions[int(found[1])] += step.instructions
            cycles[int(found[1])] += step.cycles
    costs = []
    positions = layer_table(compiled.graph).positions
    begin = 0
    for layer, position in zip(compiled.layers, positions, strict=True):
        # A copy that the compiler put in is a cost of the layer that it is made for; the last one is the output's.
        span = range(begin, len(compiled.graph.ops) if position == positions[-1] else position + 1)
        each = (sum(counts[i] for i in span) for counts in (instructions, cycles))
        costs.append(LayerCost(layer.index, layer.kind, layer.name, layer.macs, *each))
        begin = position + 1
    return tuple(costs)


def _by_function(program: Program, steps: Iterable[Step]) -> tuple[Cost, ...]:
    instructions: Counter[str] = Counter()
    cycles: Counter[str] = Counter()
    for step in steps:
        function = program.function_at(step.block.address)
        name = function.name if function else "?"
        instructions[name] += step.instructions
        cycles[name] += step.cycles
    names = _demangled(list(instructions))
    return tuple(Cost(names[name], instructions[name], count) for name, count in cycles.most_common())


def _demangled(names: Sequence[str]) -> dict[str, str]:
    """Names as a person reads them: without namespaces and parameters."""
    done = subprocess.run(
        ["arm-none-eabi-c++filt", "-p", *names], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return {raw: re.sub(r"(vww|\(anonymous namespace\))::", "", name) for raw, name in zip(names, done, strict=True)}


def _listing(program: Program, steps: Iterable[Step]) -> Iterable[str]:
    """Every executed instruction with how often it ran and its cycles, function by function."""
    counts: Counter[int] = Counter()
    cycles: Counter[int] = Counter()
    texts: dict[int, str] = {}
    for step in steps:
        for instruction, each in zip(step.block.instructions, step.instruction_cycles(), strict=True):
            counts[instruction.address] += step.count
            cycles[instruction.address] += step.count * each
            texts[instruction.address] = instruction.text
    current = None
    for address in sorted(counts):
        function = program.function_at(address)
        if function != current:
            current = function
            yield f"{function.name if function else '?'}:"
        yield f"{address:8x} {counts[address]:10d} {cycles[address]:10d}  {texts[address]}"
