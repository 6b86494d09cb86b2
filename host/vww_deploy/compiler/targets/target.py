"""What the compiler knows of a processor core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Table = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Emulator:
    """A QEMU machine with this core: the program, and the machine's name in it."""

    program: str
    machine: str


@dataclass(frozen=True)
class Target:
    """A core. What nobody measured is None or empty.

    Attributes:
        name: of its module and in the boards' catalogue.
        title: for people.
        compiler: the C++ compiler's program.
        flags: that choose the core.
        kernels: which path of the kernels it takes: that for the DSP extension, or the portable one.
        emulator: on which `profile` counts.
        code_bytes: of each source of vww_nn, measured.
        stack_bytes: the deepest stack of each source of vww_nn, callees included, measured.
        instructions: by a kernel's :class:`~vww_deploy.compiler.kernels.Work`, instructions for one of each amount,
            fitted to profiles.
        cycles_per_instruction: of whole networks, with zero wait states.
    """

    name: str
    title: str
    compiler: str
    flags: tuple[str, ...]
    kernels: Literal["dsp", "portable"]
    emulator: Emulator | None = None
    code_bytes: Mapping[str, int] = field(default_factory=dict)
    stack_bytes: Mapping[str, int] = field(default_factory=dict)
    instructions: Table = field(default_factory=dict)
    cycles_per_instruction: float | None = None
