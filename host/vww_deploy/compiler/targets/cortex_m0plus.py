"""Cortex-M0+: the RP2040. Nothing is measured yet."""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.targets.target import Target

TARGET: Final = Target(
    name="cortex_m0plus",
    title="Cortex-M0+",
    compiler="arm-none-eabi-g++",
    flags=("-mcpu=cortex-m0plus", "-mthumb"),
    kernels="portable",
)
