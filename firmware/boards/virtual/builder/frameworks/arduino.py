"""The virtual board's Arduino core: compiler flags, linker script, and the core itself as one library."""

import os
from pathlib import Path

from SCons.Script import DefaultEnvironment

env = DefaultEnvironment()
core = Path(env.PioPlatform().get_dir()) / "core"
machine = ["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"]

env.Append(
    ASFLAGS=machine,
    ASPPFLAGS=["-x", "assembler-with-cpp"],
    CCFLAGS=[*machine, "-O2", "-g", "-ffunction-sections", "-fdata-sections", "-Wall", "-Wextra"],
    CFLAGS=["-std=gnu17"],
    CXXFLAGS=["-std=gnu++17", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"],
    CPPDEFINES=[("ARDUINO", 10819), ("F_CPU", "$BOARD_F_CPU"), "ARDUINO_ARCH_VWW_VIRTUAL", "ARDUINO_VWW_VIRTUAL"],
    CPPPATH=[str(core)],
    LINKFLAGS=[
        *machine,
        "-O2",
        "-nostartfiles",
        "--specs=nano.specs",
        "--specs=nosys.specs",
        "-Wl,--gc-sections",
        "-Wl,--fatal-warnings",
        "-Wl,--no-warn-rwx-segments",
        f"-Wl,-T,{os.path.relpath(core / 'virtual.ld')}",  # relative: the project's own path may have spaces
        f"-Wl,-Map,{os.path.relpath(env.subst('$BUILD_DIR/firmware.map'))}",
    ],
    LIBS=["c", "m", "gcc"],
)
env.Prepend(LIBS=[env.BuildLibrary(str(Path("$BUILD_DIR") / "FrameworkArduino"), str(core))])
