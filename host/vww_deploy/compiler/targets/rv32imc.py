"""RV32IMC: the ESP32-C3 class. It takes the portable kernels; instructions are counted, timings are each core's own."""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.targets.target import Emulator, Target

CYCLES_PER_M4_INSTRUCTION: Final = 6.0
"""Counted instructions (4.9 to 6.2 for one of a Cortex-M4 over six networks), a cycle each: no core takes less."""

TARGET: Final = Target(
    name="rv32imc",
    title="RV32IMC",
    compiler="riscv64-unknown-elf-gcc",
    compiler_packages="gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
    flags=("-march=rv32imc", "-mabi=ilp32"),
    library_flags=("--specs=picolibc.specs",),
    kernels="portable",
    cycles_per_m4_instruction=CYCLES_PER_M4_INSTRUCTION,
    emulator=Emulator("qemu-system-riscv32", "qemu-system-misc", "virt", "virt", ("-bios", "none")),
)
