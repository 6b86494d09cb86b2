"""Cortex-M4 with FPU: the nRF52840, STM32F405, RA4M1, and the virtual board.

Code and stack were measured with arm-none-eabi-gcc 12.2, -O2 -mcpu=cortex-m4; a test measures them again. Instructions
are fitted to layers that :mod:`vww_deploy.compiler.profile` counted: ten MobileNets from 0.0625 to 0.5 and 48x48 to
160x160, and the models of ``docs/benchmarks.md``. Its cycle model is :mod:`vww_deploy.compiler.profile.cortex_m4`.
"""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.targets.target import Emulator, Target

MEASURED_ERROR: Final = 0.14
"""The furthest that a whole network lay from its estimate; a test counts one again."""
MEASURED_NETWORKS: Final = 16
CYCLES_PER_INSTRUCTION: Final = 1.24
"""Modelled for the networks of docs/benchmarks.md: 1.22 to 1.32 with zero wait states."""

TARGET: Final = Target(
    name="cortex_m4",
    title="Cortex-M4F",
    compiler="arm-none-eabi-g++",
    compiler_packages="gcc-arm-none-eabi libnewlib-arm-none-eabi",
    flags=("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
    library_flags=("--specs=nano.specs",),
    kernels="dsp",
    emulator=Emulator("qemu-system-arm", "qemu-system-arm", "mps2-an386", "mps2"),
    cycles_per_m4_instruction=CYCLES_PER_INSTRUCTION,
    code_bytes={
        "add": 1072,
        "arg_max": 192,
        "average_pool": 728,
        "binary": 1016,
        "conv2d": 6556,
        "copy": 460,
        "depthwise_conv2d": 4532,
        "gather": 224,
        "lookup": 160,
        "max_pool": 640,
        "mean": 364,
        "pad": 210,
        "requantize": 356,
        "resize_bilinear": 484,
        "softmax": 1608,
        "space_to_depth": 452,
        "transpose": 188,
        "wide_conv2d": 740,
    },
    stack_bytes={
        "add": 170,
        "arg_max": 50,
        "average_pool": 100,
        "binary": 120,
        "conv2d": 320,
        "copy": 50,
        "depthwise_conv2d": 660,
        "gather": 60,
        "lookup": 50,
        "max_pool": 80,
        "mean": 70,
        "pad": 50,
        "requantize": 70,
        "resize_bilinear": 120,
        "softmax": 170,
        "space_to_depth": 80,
        "transpose": 80,
        "wide_conv2d": 130,
    },
    instructions={
        "add": {"outputs": 33.0, "channels": 130},
        "arg_max": {"outputs": 20.0, "values": 5.0},
        "average_pool": {"outputs": 120.0, "values": 7},
        "binary": {"outputs": 45.0},
        "conv2d one window": {"macs": 3.0},
        "conv2d pointwise": {"macs": 0.81, "outputs": 11.8},
        "conv2d vector": {"macs": 6.0, "layers": 200},
        "conv2d windows": {"macs": 1.21, "outputs": 8.4, "places": 73},
        "copy": {"outputs": 10.0},
        "depthwise_conv2d 3x3": {"outputs": 17.4, "lines": 8.2, "channels": 150},
        "depthwise_conv2d 3x3 strided": {"outputs": 30.0, "channels": 150},
        "depthwise_conv2d any": {"macs": 4.5, "channels": 1500},
        "gather": {"lines": 60.0, "copied": 1.0, "picked": 6.0},
        "lookup": {"outputs": 6.0},
        "max_pool": {"outputs": 22.0, "channels": 200},
        "mean": {"outputs": 95.0, "values": 6.1},
        "pad": {"outputs": 9.0, "channels": 160},
        "requantize": {"outputs": 10.0},
        "resize_bilinear": {"outputs": 40.0},
        "rows": {
            "calls": 120,
            "channel calls": 30,
            "bytes widened": 3.7,
            "bytes copied": 6.0,
            "macs": 0.84,
            "outputs": 12.9,
        },
        "softmax": {"outputs": 350.0},
        "space_to_depth": {"outputs": 6.0},
        "transpose": {"outputs": 6.0},
        "wide_conv2d": {"macs": 7.0, "outputs": 60.0},
    },
)
