"""Xtensa LX6: the ESP32. Nothing is measured: Debian has neither its compiler nor its emulator."""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.targets.target import Target

TARGET: Final = Target(
    name="xtensa_lx6",
    title="Xtensa LX6",
    compiler="xtensa-esp32-elf-g++",
    flags=("-mlongcalls",),
    kernels="portable",
)
