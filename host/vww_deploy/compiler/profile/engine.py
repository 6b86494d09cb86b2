"""Profiles a compiled model on an emulated core: instructions and modelled cycles by layer and by function."""

from __future__ import annotations

import re
import shutil
import subprocess
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
from vww_deploy.compiler.profile.timings import TIMINGS
from vww_deploy.compiler.profile.trace import Step, run_traced
from vww_deploy.compiler.targets import Target, cortex_m4
from vww_deploy.errors import BuildError, ToolMissing
from vww_deploy.scratch import environment, scratch_folder
from vww_deploy.tools import logged_start

HARNESS: Final = Path(__file__).parent / "harness"
FLAGS: Final = (
    *("-O2", "-std=gnu++17", "-g"),
    *("-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-ffunction-sections", "-fdata-sections"),
    *("-nostartfiles", "-Wl,--gc-sections"),
)
"""How the profiled program is built, beside the flags that choose the core: as the virtual board's firmware is."""
_INVOKE: Final = "vww_model_invoke"


@dataclass(frozen=True)
class Cost:
    """Something that was executed: ``cycles`` are modelled with zero wait states, None where timings are not known."""

    name: str
    instructions: int
    cycles: int | None


@dataclass(frozen=True)
class ProfiledLayer:
    """A layer: its operator, its output's tensor name, what it computes and what it took."""

    index: int
    kind: str
    name: str
    macs: int
    instructions: int
    cycles: int | None


@dataclass(frozen=True, eq=False)
class EngineProfile:
    """One inference (``vww_model_invoke`` alone) on an emulated core.

    ``instructions`` are counted, ``cycles`` modelled (None where nobody states the core's timings). ``ram_bytes`` are
    the engine's statics (activations and scratch among them), ``stack_bytes`` its deepest stack, ``flash_bytes``
    weights, tables and code, all measured. ``layers`` are in execution order, each with the copies that the compiler
    put in before it; what lies between the kernels is among ``functions`` only. ``listing`` has every executed
    instruction with its executions and cycles.
    """

    model: str
    target: str
    macs: int
    instructions: int
    cycles: int | None
    ram_bytes: int
    stack_bytes: int
    flash_bytes: int
    layers: tuple[ProfiledLayer, ...]
    functions: tuple[Cost, ...]
    listing: tuple[str, ...]
    output: npt.NDArray[np.int8]


def profile_engine(compiled: Compiled, target: Target = cortex_m4.TARGET) -> EngineProfile:
    """Builds the emitted library for a processor, runs one inference of noise on QEMU, and counts.

    Raises ToolMissing without the core's compiler, QEMU or a C compiler, BuildError when the program fails.
    """
    with scratch_folder() as folder:
        library = compiled.write(folder / "model") / "src"
        elf = _build(target, folder / "engine.elf", library)
        flash, ram = _sizes(target, elf)
        empty_flash, empty_ram = _sizes(target, _build(target, folder / "empty.elf", library, "-DVWW_PROFILE_EMPTY"))
        program = Program(elf)
        try:
            invoke = program.function(_INVOKE)
            trace = run_traced(
                elf,
                begin=program.function("harness_begin").address,
                end=program.function("harness_end").address,
                callers=[(invoke.address, invoke.address + invoke.size)],
                target=target,
            )
            # The first block is harness_begin's return, and main's calls surround the region.
            known = TIMINGS[target.name].cycles_after is not None
            steps = [s for s in trace.regions[0] if not _is_frame(program, s)]
            lines = (library / "vww_model.cpp").read_text().splitlines()
            return EngineProfile(
                model=compiled.source.name,
                target=target.name,
                macs=compiled.source.macs,
                instructions=sum(s.instructions for s in steps),
                cycles=sum(s.cycles for s in steps) if known else None,
                ram_bytes=ram - empty_ram,
                stack_bytes=int.from_bytes(trace.output[:4], "little"),
                flash_bytes=flash - empty_flash,
                layers=_by_layer(compiled, program, lines, steps, known=known),
                functions=_by_function(target, program, steps, known=known),
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


def _build(target: Target, elf: Path, library: Path, *flags: str) -> Path:
    compiler = shutil.which(target.compiler)
    if compiler is None:
        install = advice().install_cross_compiler
        if not target.compiler.startswith("arm-"):
            install = f"apt-get install {target.compiler_packages}"
        raise ToolMissing(f"{target.compiler} is not installed", hint=install)
    sources = [HARNESS / "startup.cpp", HARNESS / "main.cpp", *sorted(library.rglob("*.cpp"))]
    command = [compiler, *target.flags, *target.library_flags, *FLAGS, *flags, f"-I{library}", "-o", str(elf)]
    command += [f"-L{HARNESS}", "-T", f"{target.get_emulator().memory}.ld"]
    logged_start([*command, *map(str, sources)])
    done = subprocess.run(
        [*command, *map(str, sources)], capture_output=True, text=True, check=False, env=environment(elf.parent)
    )
    if done.returncode != 0:
        raise BuildError(f"the engine does not build for the {target.title}: {done.stderr.strip()[-2000:]}")
    return elf


def _tool(target: Target, name: str) -> str:
    """One of the programs that come with the compiler."""
    return target.compiler.rpartition("-")[0] + "-" + name


def _sizes(target: Target, elf: Path) -> tuple[int, int]:
    """Bytes in flash and in RAM."""
    done = subprocess.run([_tool(target, "size"), str(elf)], capture_output=True, text=True, check=True)
    text, data, bss = (int(word) for word in done.stdout.splitlines()[1].split()[:3])
    return text + data, data + bss


def _is_frame(program: Program, step: Step) -> bool:
    function = program.function_at(step.block.address)
    return function is not None and function.name in ("main", "harness_begin", "harness_end")


def _by_layer(
    compiled: Compiled, program: Program, lines: Sequence[str], steps: Iterable[Step], *, known: bool
) -> tuple[ProfiledLayer, ...]:
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
        counted, spent = (sum(counts[i] for i in span) for counts in (instructions, cycles))
        costs.append(ProfiledLayer(layer.index, layer.kind, layer.name, layer.macs, counted, spent if known else None))
        begin = position + 1
    return tuple(costs)


def _by_function(target: Target, program: Program, steps: Iterable[Step], *, known: bool) -> tuple[Cost, ...]:
    instructions: Counter[str] = Counter()
    cycles: Counter[str] = Counter()
    for step in steps:
        function = program.function_at(step.block.address)
        name = function.name if function else "?"
        instructions[name] += step.instructions
        cycles[name] += step.cycles
    names = _demangled(target, list(instructions))
    by_cost = (cycles if known else instructions).most_common()
    return tuple(Cost(names[n], instructions[n], cycles[n] if known else None) for n, _ in by_cost)


def _demangled(target: Target, names: Sequence[str]) -> dict[str, str]:
    """Names as a person reads them: without namespaces and parameters."""
    done = subprocess.run(
        [_tool(target, "c++filt"), "-p", *names], capture_output=True, text=True, check=True
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
