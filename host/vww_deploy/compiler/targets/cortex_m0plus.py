"""Cortex-M0+: the RP2040. It takes the portable kernels.

QEMU has no Cortex-M0+; a Cortex-M3 runs its code, a subset, and the count is the same. Its cycle model is
:mod:`vww_deploy.compiler.profile.cortex_m0plus`.
"""

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
    cycles_per_m4_instruction=9.0,  # modelled: 6.4 to 9.8 over six of the networks of docs/benchmarks.md
    emulator=Emulator("qemu-system-arm", "qemu-system-arm", "mps2-an385", "mps2"),
)
