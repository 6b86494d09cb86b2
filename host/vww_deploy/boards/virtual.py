"""The virtual board: QEMU's STM32F405 as a managed background process with a tty, a camera port and a reset button.

Its state is a folder of the user's cache: the tty under a stable name, the firmware that it runs, the process id,
QEMU's control socket. ``python -m vww_deploy.boards.virtual start firmware.elf [NAME]`` is PlatformIO's upload.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psutil
from filelock import FileLock, Timeout

from vww_deploy.advice import advice
from vww_deploy.boards import confine
from vww_deploy.errors import BoardError, ToolMissing
from vww_deploy.resources import cache_dir

QEMU: Final = "qemu-system-arm"
MACHINE: Final = "netduinoplus2"

_ELF_MACHINE_ARM: Final = b"\x28\0"

# QEMU is ready in about 0.1 s; a host with everything else to do takes longer.
START_TIMEOUT_S: Final = 20.0
# A killed process is gone at once, unless the kernel is busy writing.
STOP_TIMEOUT_S: Final = 5.0
# QEMU's control socket answers within ms, except while the guest waits for somebody to read a full tty.
CONTROL_TIMEOUT_S: Final = 2.0


class VirtualBoard:
    """One virtual board; several with different names may run at once."""

    def __init__(self, name: str = "virtual") -> None:
        self.name = name
        self.folder = cache_dir() / "virtual" / name
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def tty(self) -> Path:
        """The serial port, a link that stays the same from start to start."""
        return self.folder / "tty"

    @property
    def camera_socket(self) -> Path:
        """A Unix socket whose bytes reach the board's second UART; see :func:`connect`."""
        return self.folder / "camera.sock"

    @property
    def firmware(self) -> Path:
        """What the board runs, or ran last."""
        return self.folder / "firmware.elf"

    @property
    def log(self) -> Path:
        """What QEMU had to say."""
        return self.folder / "qemu.log"

    @property
    def running(self) -> bool:
        """True when the board is powered."""
        return self._process() is not None

    def start(self, elf: Path) -> None:
        """Puts ``elf`` on the board and powers it; a board that runs is powered off first.

        Raises:
            ToolMissing: QEMU is not installed.
            BoardError: ``elf`` is no ARM program, or QEMU did not start; its own words are in the message.
        """
        try:
            head = elf.read_bytes()[:20]
        except OSError as error:
            raise BoardError(f"{elf}: cannot be read: {error.strerror}", hint="build the firmware first") from error
        # QEMU would take anything else for raw code and run it.
        if head[:4] != b"\x7fELF" or head[18:] != _ELF_MACHINE_ARM:
            raise BoardError(f"{elf}: not an ARM program in an ELF file", hint="give PlatformIO's firmware.elf")
        qemu = shutil.which(QEMU)
        if qemu is None:
            raise ToolMissing(f"{QEMU} is not installed", hint=advice().install_qemu)
        with FileLock(self._lock_file):  # two programs that start or stop it do so one after the other
            self._stop()
            if elf.resolve() != self.firmware.resolve():
                shutil.copyfile(elf, self.firmware)
            self._spawn(qemu)

    def stop(self) -> None:
        """Powers the board off; harmless when it is off."""
        with FileLock(self._lock_file):
            self._stop()

    def sweep(self) -> None:
        """Removes what a killed board left: by now the name of its tty may lead to another program's terminal."""
        with contextlib.suppress(Timeout), FileLock(self._lock_file, blocking=False):
            if self._process() is None:
                self._stop()

    def reset(self) -> None:
        """Presses the reset button."""
        if not self.running:
            raise BoardError(f"the virtual board {self.name!r} is off", hint="`vww-deploy flash --board virtual`")
        try:
            self._control("system_reset")
        except OSError:
            # The guest is stuck in a write to a tty that nobody reads, and QEMU with it: power it off and on.
            self.start(self.firmware)

    def _spawn(self, qemu: str) -> None:
        if sys.platform == "win32":
            raise _not_here()
        import tty

        # The board holds both ends of the tty: the master to talk, the slave so that the tty lives on while no program
        # has it open. QEMU's own "-serial pty" looks for a reader once a second and throws away what was sent
        # meanwhile. The master is the UART's, whose receiver wakes the guest, and QEMU's standard input and output,
        # which the guest reads and writes in bulk by semihosting.
        master, slave = os.openpty()
        listening: list[socket.socket] = []
        try:
            tty.setraw(slave)
            os.set_blocking(master, False)
            port = os.ttyname(slave)
            for path in (self.camera_socket, self._control_socket):
                listening.append(_listen(path))
            camera, control = (each.fileno() for each in listening)
            command = [
                *(qemu, "-M", MACHINE, "-display", "none", "-nodefaults", "-icount", "shift=0"),
                *("-semihosting-config", "enable=on,target=native", *confine.SANDBOX),
                *("-add-fd", f"fd={master},set=1"),
                *("-chardev", "serial,id=tty,path=/dev/fdset/1", "-serial", "chardev:tty"),
                *("-chardev", f"socket,id=camera,fd={camera},server=on,wait=off", "-serial", "chardev:camera"),
                *("-chardev", f"socket,id=control,fd={control},server=on,wait=off"),
                *("-mon", "chardev=control,mode=control"),
                *("-kernel", self.firmware.name),
            ]
            with self.log.open("wb") as log:
                # In a session of its own: Ctrl-C in the terminal is not for the board.
                process = confine.start(
                    command,
                    [self.firmware],
                    cwd=self.folder,
                    stdin=master,
                    stdout=master,
                    stderr=log,
                    pass_fds=(master, slave, camera, control),
                    start_new_session=True,
                )
        finally:
            for each in listening:
                each.close()
            os.close(master)
            os.close(slave)
        self._pid_file.write_text(str(process.pid))
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            if process.poll() is not None:
                self._clean()
                said = self.log.read_text(errors="replace").strip() or f"exit status {process.returncode}"
                raise BoardError(f"QEMU did not start: {said}", hint="`vww-deploy doctor` checks the installation")
            with contextlib.suppress(OSError):
                self._control("query-status")
                break
            if time.monotonic() > deadline:
                process.kill()
                process.wait()
                self._clean()
                raise BoardError("QEMU does not answer", hint=f"its log is {self.log}")
            time.sleep(0.02)
        fresh = self.folder / "tty.new"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(port)
        fresh.replace(self.tty)

    def _stop(self) -> None:
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while (process := self._process() or self._unnoted()) is not None:
            if time.monotonic() > deadline:
                raise BoardError(f"QEMU (process {process.pid}) does not end", hint="end it by hand")
            # Nothing on the board outlives its power, so there is nothing to ask first.
            with contextlib.suppress(psutil.Error):  # it may be gone; or it takes its time
                process.kill()
                process.wait(0.1)
        self._clean()

    def _clean(self) -> None:
        for path in (self._pid_file, self.tty, self.camera_socket, self._control_socket):
            path.unlink(missing_ok=True)

    @property
    def _control_socket(self) -> Path:
        return self.folder / "control.sock"

    @property
    def _lock_file(self) -> Path:
        return self.folder / "lock"

    @property
    def _pid_file(self) -> Path:
        return self.folder / "qemu.pid"

    def _process(self) -> psutil.Process | None:
        """This board's QEMU, if it lives. An id that another process has got since does not count."""
        try:
            process = psutil.Process(int(self._pid_file.read_text()))
        except (OSError, ValueError, psutil.Error):
            return None
        return process if self._is_ours(process) else None

    def _unnoted(self) -> psutil.Process | None:
        """This board's QEMU, if whoever started it was killed before its id was noted: its sockets are there."""
        if not self._control_socket.exists():
            return None
        return next((one for one in psutil.process_iter() if self._is_ours(one)), None)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            # A dead process that nobody has waited for yet has no command line.
            return any(QEMU in part for part in process.cmdline()) and Path(process.cwd()).samefile(self.folder)
        except (OSError, psutil.Error):
            return False

    def _control(self, command: str) -> None:
        """Has QEMU carry out a control command; OSError when it doesn't answer."""
        with connect(self._control_socket) as control:
            control.settimeout(CONTROL_TIMEOUT_S)
            with control.makefile("rb") as stream:  # bytes: a text stream for both ways drops what it read ahead

                def answer() -> None:
                    while line := stream.readline():
                        said: dict[str, Any] = json.loads(line)
                        if "event" not in said:
                            return
                    raise ConnectionError("QEMU hung up")

                answer()
                for name in ("qmp_capabilities", command):
                    control.sendall((json.dumps({"execute": name}) + "\n").encode())
                    answer()


def connect(path: Path) -> socket.socket:
    """A stream connected to the Unix socket ``path``, however long the path is."""
    if sys.platform == "win32":
        raise _not_here()
    with _short(path) as address:
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            stream.settimeout(CONTROL_TIMEOUT_S)
            stream.connect(address)
        except BaseException:
            stream.close()
            raise
        return stream


def _listen(path: Path) -> socket.socket:
    """A socket of this user's at ``path`` that QEMU takes connections from; nothing may be there."""
    if sys.platform == "win32":
        raise _not_here()
    with _short(path) as address:
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.bind(address)
            path.chmod(0o600)
            listening.listen(1)
        except BaseException:
            listening.close()
            raise
        return listening


def _not_here() -> ToolMissing:
    return ToolMissing("the virtual board does not run on Windows yet", hint="use a real board")


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name of ``path`` that fits into a Unix socket's address, which has about a hundred bytes: through a link."""
    usual = tempfile.gettempdir()  # in a build it lies in the project
    with tempfile.TemporaryDirectory(prefix="vww", dir=usual if len(os.fsencode(usual)) < 64 else "/tmp") as folder:
        link = Path(folder) / "board"
        link.symlink_to(path.parent.resolve())
        yield str(link / path.name)


def _main(arguments: list[str]) -> int:
    if len(arguments) in (2, 3) and arguments[0] == "start":
        board = VirtualBoard(*filter(None, arguments[2:]))
        board.start(Path(arguments[1]))
        print(f"The virtual board runs; its serial port is {board.tty}")
        return 0
    print("usage: python -m vww_deploy.boards.virtual start firmware.elf [NAME]", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
