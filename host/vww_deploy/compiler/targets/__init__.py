"""The processor cores that there are, one a module with its ``TARGET``."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from vww_deploy.compiler.targets.target import Emulator, Target

__all__ = ["TARGETS", "Emulator", "Target", "get_target"]

TARGETS: Final = ("cortex_m0plus", "cortex_m33", "cortex_m4", "cortex_m7", "rv32imc", "xtensa_lx6", "xtensa_lx7")
"""The modules' names: the registry."""


def get_target(name: str) -> Target:
    """The target of a name; KeyError where there is none."""
    if name not in TARGETS:
        raise KeyError(name)
    found: Target = import_module(f"{__name__}.{name}").TARGET
    return found
