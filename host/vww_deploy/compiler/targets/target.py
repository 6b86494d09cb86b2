"""What the compiler knows of a processor core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from vww_deploy.errors import ToolMissing

Table = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Emulator:
    """A QEMU machine that runs this core's code.

    Attributes:
        program: of QEMU.
        package: Debian's, which has it.
        machine: its name in QEMU.
        memory: the linker script in profile/harness that says where its memories lie.
        options: more arguments for QEMU.
    """

    program: str
    package: str
    machine: str
    memory: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """A core. What nobody measured is None or empty; without an emulator nothing can be counted.

    Attributes:
        name: of its module and in the boards' catalogue.
        title: for people.
        compiler: the C++ compiler's program.
        compiler_packages: Debian's, which have it and a C library.
        flags: that choose the core.
        library_flags: that choose the C library.
        kernels: which path of the kernels it takes: that for the DSP extension, or the portable one.
        emulator: on which `profile` counts.
        code_bytes: of each source of vww_nn, measured.
        stack_bytes: the deepest stack of each source of vww_nn, callees included, measured.
        instructions: by a kernel's :class:`~vww_deploy.compiler.kernels.Work`, instructions for one of each amount,
            fitted to profiles.
        cycles_per_m4_instruction: of whole networks, with zero wait states, for each instruction that a Cortex-M4 takes
            for them: what the compiler estimates.
    """

    name: str
    title: str
    compiler: str
    flags: tuple[str, ...]
    kernels: Literal["dsp", "portable"]
    compiler_packages: str = ""
    library_flags: tuple[str, ...] = ()
    emulator: Emulator | None = None
    code_bytes: Mapping[str, int] = field(default_factory=dict)
    stack_bytes: Mapping[str, int] = field(default_factory=dict)
    instructions: Table = field(default_factory=dict)
    cycles_per_m4_instruction: float | None = None

    def get_emulator(self) -> Emulator:
        """The emulator; ToolMissing where there is none."""
        if self.emulator is None:
            raise ToolMissing(
                f"there is no emulator for {self.title}", hint="count on another core: --target cortex_m4"
            )
        return self.emulator
