"""Pure functions on a fleet's machines, such as a search's counts: equal wherever the same tools are."""

from __future__ import annotations

import functools
import hashlib
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from vww_deploy.compiler.targets import cortex_m4
from vww_deploy.errors import FleetError
from vww_deploy.fleet.client import Fleet
from vww_deploy.resources import firmware_sources

Value = TypeVar("Value")
Result = TypeVar("Result")

_TIMEOUT_S: Final = 20.0  # a compiler saying its version, on a machine that is very busy


@dataclass(frozen=True)
class Tools:
    """What a count depends on besides the program's version: SHA-256 of the kernels' sources, and the compiler."""

    machine: str
    sources: str
    compiler: str
    """Its first line about itself; empty where there is none."""


def on_machines(fleet: Fleet, measure: Callable[[Value], Result], values: Sequence[Value]) -> Iterator[Result]:
    """``measure`` of each value, in their order; a machine does as many at a time as it offers boards.

    Args:
        measure: a function of a module, without effects.

    Raises:
        FleetError: the machines have other sources than this one, or several compilers; or no machine is left.
        VwwError: as ``measure`` raises it.
    """
    known = [tools()]
    for theirs, result in fleet.map(functools.partial(_measured, measure), values):
        check_same(known, theirs)
        yield result


def check_same(known: list[Tools], theirs: Tools) -> None:
    """Add a machine's tools to those that are known.

    Raises:
        FleetError: what they count cannot be compared.
    """
    if theirs in known:
        return
    for one in known:
        if one.sources != theirs.sources:
            raise FleetError(
                f"the kernels' sources on {theirs.machine} are not those on {one.machine}",
                hint="install the same vww-deploy on both",
            )
        if one.compiler and theirs.compiler and one.compiler != theirs.compiler:
            raise FleetError(
                f"{one.machine} counts with {one.compiler}, {theirs.machine} with {theirs.compiler}",
                hint="install the same compiler on both: another one makes other code",
            )
    known.append(theirs)


@functools.cache
def tools() -> Tools:
    """This machine's."""
    digest = hashlib.sha256()
    for source, content in firmware_sources("lib"):
        digest.update(f"{source}\0".encode())
        digest.update(content)
    try:
        command = [cortex_m4.TARGET.compiler, "--version"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        said = ""
    return Tools(socket.gethostname(), digest.hexdigest(), said.partition("\n")[0])


def _measured(measure: Callable[[Value], Result], value: Value) -> tuple[Tools, Result]:
    return tools(), measure(value)
