"""Xtensa LX7: the ESP32-S3. Nothing is measured: Debian has neither its compiler nor its emulator."""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.targets import rv32imc
from vww_deploy.compiler.targets.target import Target

TARGET: Final = Target(
    name="xtensa_lx7",
    title="Xtensa LX7",
    compiler="xtensa-esp32s3-elf-g++",
    flags=("-mlongcalls",),
    kernels="portable",
    cycles_per_m4_instruction=rv32imc.CYCLES_PER_M4_INSTRUCTION,  # a stand-in: it takes the same C++
)
