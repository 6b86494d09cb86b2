"""The ahead-of-time compiler: passes, memory plan, weight packing, C++ emission."""

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
