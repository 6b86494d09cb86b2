"""Instructions and modelled cycles of a Cortex-M4, without hardware: QEMU counts, the cycle model costs."""

from vww_deploy.compiler.profile.engine import Cost, EngineProfile, LayerCost, profile_engine, profile_input

__all__ = ["Cost", "EngineProfile", "LayerCost", "profile_engine", "profile_input"]
