"""The ahead-of-time compiler: passes, memory plan, weight packing, C++ emission."""

from vww_deploy.compiler.compiled import Compiled, Layer, Optimize, compile_model
from vww_deploy.compiler.digest import layer_digest
from vww_deploy.compiler.host_engine import HostEngine

__all__ = ["Compiled", "HostEngine", "Layer", "Optimize", "compile_model", "layer_digest"]
