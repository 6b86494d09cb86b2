"""Instructions and modelled cycles of a Cortex-M4, without hardware: QEMU counts, the cycle model costs."""

from vww_deploy.compiler.profile.engine import Cost, EngineProfile, ProfiledLayer, profile_engine, profile_input

__all__ = ["Cost", "EngineProfile", "ProfiledLayer", "profile_engine", "profile_input"]
