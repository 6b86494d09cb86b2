"""Cortex-M33 with the DSP extension: the RP2350, STM32U5, RA6M5. Nothing is measured yet."""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.targets.target import Target

TARGET: Final = Target(
    name="cortex_m33",
    title="Cortex-M33",
    compiler="arm-none-eabi-g++",
    flags=("-mcpu=cortex-m33", "-mthumb", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"),
    kernels="dsp",
)
