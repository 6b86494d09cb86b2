"""The ahead-of-time compiler: passes, memory plan, weight packing, C++ emission.

Its names are imported when they are asked for: who looks at a target only does not wait for the rest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vww_deploy.compiler.compiled import Compiled, Layer, Optimize, compile_model
    from vww_deploy.compiler.digest import layer_digest
    from vww_deploy.compiler.host_engine import HostEngine
    from vww_deploy.compiler.report import Fit, LayerReport, PassReport, Report

__all__ = [
    "Compiled",
    "Fit",
    "HostEngine",
    "Layer",
    "LayerReport",
    "Optimize",
    "PassReport",
    "Report",
    "compile_model",
    "layer_digest",
]

_HOMES = {
    "compiled": ("Compiled", "Layer", "Optimize", "compile_model"),
    "digest": ("layer_digest",),
    "host_engine": ("HostEngine",),
    "report": ("Fit", "LayerReport", "PassReport", "Report"),
}


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
