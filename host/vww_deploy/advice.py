"""What people can do about ports, drivers and packages: the advice of each operating system."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Advice:
    """Commands and sentences for one operating system; ``{port}`` stands for the port's name."""

    port_example: str
    """What a port is called there."""
    port_denied: str
    """The user may not open a port."""
    port_in_use: str
    """Another program has a port open."""
    not_seen: str
    """Where to see whether the system knows a board that does not appear as a port."""
    install_cross_compiler: str
    install_qemu: str
    install_host_compiler: str
    set_variable: str
    """Sets the environment variable ``{name}`` to ``{value}``."""


# Root needs no sudo, and a container has none.
_SUDO: Final = "" if sys.platform == "win32" or os.geteuid() == 0 else "sudo "

_ADVICE: Final = {
    "linux": Advice(
        port_example="/dev/ttyACM0",
        port_denied="`sudo usermod -aG dialout $USER`, then log in again",
        port_in_use="close the other serial monitor; `fuser {port}` names it",
        not_seen="`lsusb` shows what is plugged in; a udev rule may be missing",
        install_cross_compiler=f"{_SUDO}apt-get install -y gcc-arm-none-eabi libnewlib-arm-none-eabi "
        "libstdc++-arm-none-eabi-newlib",
        install_qemu=f"{_SUDO}apt-get install -y qemu-system-arm",
        install_host_compiler=f"{_SUDO}apt-get install -y g++",
        set_variable="export {name}={value}",
    ),
    "darwin": Advice(
        port_example="/dev/cu.usbmodem101",
        port_denied="`ls -l {port}` shows whose port it is",
        port_in_use="close the other serial monitor; `lsof {port}` names it",
        not_seen="System Information > USB shows what is plugged in; boards with a CH340 or CP210x chip need their "
        "maker's driver",
        install_cross_compiler="brew install --cask gcc-arm-embedded",
        install_qemu="brew install qemu",
        install_host_compiler="xcode-select --install",
        set_variable="export {name}={value}",
    ),
    "win32": Advice(
        port_example="COM7",
        port_denied="close the other serial monitor: Windows refuses a port that another program has open",
        port_in_use="close the other serial monitor: Windows refuses a port that another program has open",
        not_seen="the Device Manager shows it under Ports (COM & LPT) or, without a driver, under Other devices; "
        "boards with a CH340 or CP210x chip need their maker's driver",
        install_cross_compiler="winget install Arm.GnuArmEmbeddedToolchain",
        install_qemu="winget install SoftwareFreedomConservancy.QEMU",
        install_host_compiler="winget install MSYS2.MSYS2",
        set_variable="setx {name} {value}",
    ),
}


def advice(platform: str = sys.platform) -> Advice:
    """The advice for an operating system, named as ``sys.platform`` names it; that of Linux for unknown ones."""
    return _ADVICE.get(platform, _ADVICE["linux"])
