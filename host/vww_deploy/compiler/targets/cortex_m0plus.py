"""Cortex-M0+: the RP2040. Nothing is measured yet."""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.targets.target import Emulator, Target

TARGET: Final = Target(
    name="cortex_m0plus",
    title="Cortex-M0+",
    compiler="arm-none-eabi-g++",
    compiler_packages="gcc-arm-none-eabi libnewlib-arm-none-eabi",
    flags=("-mcpu=cortex-m0plus", "-mthumb"),
    library_flags=("--specs=nano.specs",),
    kernels="portable",
    emulator=Emulator("qemu-system-arm", "qemu-system-arm", "mps2-an385", "mps2"),
)
