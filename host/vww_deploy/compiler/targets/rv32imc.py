"""RV32IMC: the ESP32-C3 class. Nothing is measured yet."""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.targets.target import Target

TARGET: Final = Target(
    name="rv32imc",
    title="RV32IMC",
    compiler="riscv64-unknown-elf-g++",
    flags=("-march=rv32imc", "-mabi=ilp32"),
    kernels="portable",
)
