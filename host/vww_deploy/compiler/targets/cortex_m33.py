"""Cortex-M33 with the DSP extension: the RP2350, STM32U5, RA6M5. It runs the code of the Cortex-M4, which is counted.

Arm states no timings; the Cortex-M4's stand in. ST's engine took 11 % fewer cycles on an M33 than on an M4
(docs/benchmarks.md).
"""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.targets import cortex_m4
from vww_deploy.compiler.targets.target import Emulator, Target

TARGET: Final = Target(
    name="cortex_m33",
    title="Cortex-M33",
    compiler="arm-none-eabi-g++",
    compiler_packages="gcc-arm-none-eabi libnewlib-arm-none-eabi",
    flags=("-mcpu=cortex-m33", "-mthumb", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"),
    library_flags=("--specs=nano.specs",),
    kernels="dsp",
    cycles_per_m4_instruction=cortex_m4.CYCLES_PER_INSTRUCTION,
    emulator=Emulator("qemu-system-arm", "qemu-system-arm", "mps2-an505", "mps2-an505"),
)
