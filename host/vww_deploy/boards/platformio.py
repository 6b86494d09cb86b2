"""PlatformIO: the firmware built and uploaded in a work folder of the user's cache, nothing written anywhere else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filelock import FileLock

from vww_deploy.advice import advice
from vww_deploy.boards.catalogue import Board
from vww_deploy.boards.leftovers import end_left, end_tree, noted
from vww_deploy.errors import BuildError, DoesNotFit, ToolMissing
from vww_deploy.resources import cache_dir, data_root, firmware_dir
from vww_deploy.scratch import disk_full, environment
from vww_deploy.tools import logged_start

# A first build for a board downloads its toolchain, some hundred megabytes, and takes minutes; longer it hangs.
BUILD_TIMEOUT_S: Final = 1800.0

_SIZE_LINE: Final = re.compile(r"^(RAM|Flash):.*used (\d+) bytes from (\d+) bytes", re.MULTILINE)
_ERROR_LINE: Final = re.compile(r"\berror\b|\bError\b|No such file|Could not")
_SAID_LINES: Final = 12  # of PlatformIO's output in a message
_OVERFLOW_LINE: Final = re.compile(r"region `(\w+)' overflowed by (\d+) bytes")

_UNBUILDABLE: Final = re.compile(r"[$%\"`\\\x00-\x1f]" if os.sep == "/" else r"[$%\"`\x00-\x1f]")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class FirmwareImage:
    """A built firmware; sizes in bytes, of everything in it."""

    elf: Path
    flash_bytes: int
    ram_bytes: int


def work_folder(board: Board) -> Path:
    """The PlatformIO project that firmware for ``board`` is built in."""
    return cache_dir() / "build" / board.name


def elf_file(board: Board) -> Path:
    """Where a build for ``board`` leaves the firmware."""
    return work_folder(board) / ".pio" / "build" / board.name / "firmware.elf"


def project_file(board: Board) -> bytes:
    """The ``platformio.ini`` that firmware for ``board`` is built with."""
    packaged = (data_root() / "platformio.ini").read_bytes()
    return packaged + b"\n" + board.environment.encode() if board.environment else packaged


def build(
    board: Board, model_library: Path, *, flags: Mapping[str, int] | None = None, progress: Progress | None = None
) -> FirmwareImage:
    """Builds the firmware with a compiled model.

    Args:
        model_library: the folder that ``Compiled.write`` wrote.
        flags: macros for the compiler, ``VWW_STAGE_INPUT`` for example.
        progress: called with each line that PlatformIO prints.

    Raises:
        ToolMissing: PlatformIO or the compiler is not installed.
        DoesNotFit: the linker found too little flash or RAM.
        BuildError: the compiler's complaint is in the message.
    """
    with _project(board, model_library) as project:
        return _image(board, _run(board, project, [], flags, progress))


def upload(
    board: Board,
    model_library: Path,
    *,
    port: str | None = None,
    flags: Mapping[str, int] | None = None,
    progress: Progress | None = None,
) -> FirmwareImage:
    """Builds as :func:`build` does and uploads to ``port``."""
    arguments = ["-t", "upload", *(["--upload-port", port] if port is not None else [])]
    with _project(board, model_library) as project:
        return _image(board, _run(board, project, arguments, flags, progress))


def check_tools(board: Board) -> None:
    """Raises :class:`ToolMissing` for what a build for ``board`` lacks on this machine."""
    try:
        import platformio  # noqa: F401
    except ImportError as error:
        raise ToolMissing(
            "PlatformIO is not installed", hint=f"`{sys.executable} -m pip install platformio`"
        ) from error
    install = {
        "arm-none-eabi-g++": advice().install_cross_compiler,
        "qemu-system-arm": advice().install_qemu,
    }
    for tool in board.tools:
        if shutil.which(tool) is None:
            raise ToolMissing(f"{tool} is not installed", hint=install[tool])


@contextmanager
def _project(board: Board, model_library: Path) -> Iterator[Path]:
    """The project folder, brought up to date, for this process alone."""
    check_tools(board)
    project = work_folder(board)
    _check_path(project)
    project.mkdir(parents=True, exist_ok=True)
    with FileLock(project / "lock"):
        end_left(project)
        _sync(project_file(board), project / "platformio.ini")
        _copy_firmware(project / "firmware")
        _sync_folder(model_library, project / "model" / "vww_model")
        yield project


def _check_path(project: Path) -> None:
    """Raises :class:`BuildError` for a folder in which SCons, or the shell that it uses, loses the files."""
    found = sorted(set(_UNBUILDABLE.findall(str(project))))
    if found:
        raise BuildError(
            f"{project}: nothing can be built in a folder with {' or '.join(map(repr, found))} in its name",
            hint="name another one in the environment variable VWW_DEPLOY_CACHE",
        )


def _copy_firmware(folder: Path) -> None:
    if folder.is_symlink():  # as earlier versions had it; not every system lets its users make links
        folder.unlink()
    _sync_folder(firmware_dir(), folder)


def _sync(content: bytes, target: Path) -> None:
    """Writes only what changed, so that only what changed is built again."""
    if not target.is_file() or content != target.read_bytes():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _sync_folder(source: Path, target: Path) -> None:
    wanted = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    for path in [path for path in target.rglob("*") if path.is_file()]:
        if path.relative_to(target) not in wanted:
            path.unlink()
    for name in wanted:
        _sync((source / name).read_bytes(), target / name)


def _run(
    board: Board,
    project: Path,
    arguments: list[str],
    flags: Mapping[str, int] | None,
    progress: Progress | None,
) -> str:
    command = [sys.executable, "-m", "platformio", "run", "-d", str(project), "-e", board.name, *arguments]
    logged_start(command)
    temporary = project / "tmp"  # the compilers' own files, which stay when they are killed
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=_environment(board, flags or {}, temporary),
        start_new_session=True,
    )

    assert process.stdout is not None
    lines: list[str] = []
    hangs = threading.Timer(BUILD_TIMEOUT_S, end_tree, [process.pid])
    hangs.daemon = True
    hangs.start()
    try:
        with noted(project, process.pid):
            for line in process.stdout:
                lines.append(line)
                if progress is not None:
                    progress(line.rstrip())
            process.wait()
    except BaseException:
        end_tree(process.pid)
        process.wait()
        raise
    finally:
        hangs.cancel()
    output = "".join(lines)
    if process.returncode != 0:
        raise _failure(board, output)
    return output


def _environment(board: Board, flags: Mapping[str, int], temporary: Path) -> dict[str, str]:
    variables = {
        **environment(temporary),
        "PLATFORMIO_BUILD_FLAGS": " ".join(f"-D{name}={value}" for name, value in sorted(flags.items())),
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        "PLATFORMIO_SETTING_CHECK_PLATFORMIO_INTERVAL": "9999",
        "PLATFORMIO_DISABLE_PROGRESSBAR": "true",
        # The platform's files may lie in site-packages.
        "PYTHONDONTWRITEBYTECODE": "1",
        "VWW_DEPLOY_CACHE": str(cache_dir()),
    }
    if not board.needs_registry:
        # Its platform needs nothing from PlatformIO's registry but SCons, which came with this package.
        variables["PLATFORMIO_CORE_DIR"] = str(_core_folder())
    return variables


def _core_folder() -> Path:
    """PlatformIO's own folder for boards that need nothing of its registry but SCons: that comes from PyPI."""
    from platformio.dependencies import get_core_dependencies

    version = get_core_dependencies()["tool-scons"].lstrip("~^=>")
    spec = {"owner": "platformio", "id": None, "name": "tool-scons", "requirements": None, "uri": None}
    core = cache_dir() / "platformio"
    scons = core / "packages" / "tool-scons"
    scons.mkdir(parents=True, exist_ok=True)
    for name, text in {
        "package.json": json.dumps({"name": "tool-scons", "version": version, "system": "*"}),
        ".piopm": json.dumps({"type": "tool", "name": "tool-scons", "version": version, "spec": spec}),
        "scons.py": "import SCons.Script\n\nSCons.Script.main()\n",
    }.items():
        if not (scons / name).is_file() or (scons / name).read_text() != text:
            (scons / name).write_text(text)
    return core


def _image(board: Board, output: str) -> FirmwareImage:
    used = {kind: int(size) for kind, size, _ in _SIZE_LINE.findall(output)}
    elf = elf_file(board)
    if not elf.is_file():
        raise BuildError(f"PlatformIO made no {elf.name} for {board.name}", hint=f"look into {elf.parent}")
    return FirmwareImage(elf, used.get("Flash", 0), used.get("RAM", 0))


def _failure(board: Board, output: str) -> BuildError | DoesNotFit:
    if overflow := _OVERFLOW_LINE.search(output):
        region, size = overflow.groups()
        return DoesNotFit(
            f"the firmware is {int(size):,} bytes too big for the {region} of {board.name}", hint="take a smaller model"
        )
    if "No space left on device" in output:
        return disk_full(work_folder(board))
    if "HTTPClientError" in output or "InternetConnectionError" in output:
        return BuildError(
            f"PlatformIO's registry cannot be reached, and what {board.name} needs of it is not installed yet",
            hint="the first build for a board downloads its toolchain and its core: check the connection",
        )
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR_LINE.search(line)]
    said = "\n".join(errors[:_SAID_LINES] or lines[-_SAID_LINES:])
    return BuildError(
        f"the firmware for {board.name} did not build or upload:\n{said}", hint=f"the project is {work_folder(board)}"
    )
