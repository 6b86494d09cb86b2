"""AVERAGE_POOL_2D."""

from __future__ import annotations

from typing import Final

from vww_deploy.compiler.kernels.pool import PoolRule

RULE: Final = PoolRule("average_pool")
