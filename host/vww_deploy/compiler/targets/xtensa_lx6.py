"""Xtensa LX6: the ESP32. Nothing is measured: Debian has neither its compiler nor its emulator."""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.targets import rv32imc
from vww_deploy.compiler.targets.target import Target

TARGET: Final = Target(
    name="xtensa_lx6",
    title="Xtensa LX6",
    compiler="xtensa-esp32-elf-g++",
    flags=("-mlongcalls",),
    kernels="portable",
    cycles_per_m4_instruction=rv32imc.CYCLES_PER_M4_INSTRUCTION,  # a stand-in: it takes the same C++
)
