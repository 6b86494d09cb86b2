"""SCons build of the virtual board: the system's arm-none-eabi-gcc, and an upload that (re)starts the managed QEMU."""

import sys

from SCons.Script import AlwaysBuild, Builder, Default, DefaultEnvironment

env = DefaultEnvironment()
env.Replace(
    AR="arm-none-eabi-gcc-ar",
    AS="arm-none-eabi-as",
    CC="arm-none-eabi-gcc",
    CXX="arm-none-eabi-g++",
    GDB="gdb-multiarch",
    OBJCOPY="arm-none-eabi-objcopy",
    RANLIB="arm-none-eabi-gcc-ranlib",
    SIZETOOL="arm-none-eabi-size",
    ARFLAGS=["rc"],
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
    SIZEPROGREGEXP=r"^(?:\.text|\.data|\.init_array|\.ARM\.exidx)\s+(\d+).*",
    SIZEDATAREGEXP=r"^(?:\.data|\.bss|\.noinit|\.stack)\s+(\d+).*",
    SIZECHECKCMD="$SIZETOOL -A -d $SOURCES",
    SIZEPRINTCMD="$SIZETOOL -B -d $SOURCES",
)
env.Append(
    BUILDERS={
        "ElfToBin": Builder(
            action=env.VerboseAction("$OBJCOPY -O binary $SOURCES $TARGET", "Building $TARGET"), suffix=".bin"
        )
    }
)
if not env.get("PIOFRAMEWORK"):
    sys.exit("the virtual board is an Arduino board: set framework = arduino")

program = env.BuildProgram()
image = env.ElfToBin("$BUILD_DIR/firmware", program)
build = env.Alias("buildprog", [program, image])
size = env.AddPlatformTarget(
    "size", program, env.VerboseAction("$SIZEPRINTCMD", "Calculating size $SOURCE"), "Program Size", always_build=True
)
AlwaysBuild(build)

# The same Python that runs PlatformIO has vww-deploy: it owns the emulator, its tty and its clean-up. The upload port,
# where one is given, is the name of the board to start.
env.Replace(UPLOADCMD='"$PYTHONEXE" -m vww_deploy.boards.virtual start "$SOURCE" "$UPLOAD_PORT"')
env.AddPlatformTarget(
    "upload",
    program,
    [env.VerboseAction("$UPLOADCMD", "Starting the virtual board with $SOURCE")],
    "Upload",
    always_build=True,
)
Default([build, size])
