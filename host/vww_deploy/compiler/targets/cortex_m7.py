"""Cortex-M7: the STM32H747. It runs the code of the Cortex-M4, and its instructions are counted.

Arm states no timings. Its cycles for an instruction are the Cortex-M4's: an upper bound, since it can start two
instructions at once.
"""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.targets import cortex_m4
from vww_deploy.compiler.targets.target import Emulator, Target

TARGET: Final = Target(
    name="cortex_m7",
    title="Cortex-M7",
    compiler="arm-none-eabi-g++",
    compiler_packages="gcc-arm-none-eabi libnewlib-arm-none-eabi",
    flags=("-mcpu=cortex-m7", "-mthumb", "-mfpu=fpv5-d16", "-mfloat-abi=hard"),
    library_flags=("--specs=nano.specs",),
    kernels="dsp",
    emulator=Emulator("qemu-system-arm", "qemu-system-arm", "mps2-an500", "mps2"),
    cycles_per_m4_instruction=cortex_m4.CYCLES_PER_INSTRUCTION,
)
