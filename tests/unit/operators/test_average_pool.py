"""AVERAGE_POOL_2D: windows of several sizes and strides, inside the borders and over them, against exact integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.support.kernel_cases import ON_BOTH_PATHS, differing, pool_case, pool_cases
from vww_deploy.compiler.targets import Target


@ON_BOTH_PATHS
def test_the_kernel_gives_the_exact_bytes(target: Target | None, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    cases = pool_cases(rng, "average_pool")
    cases.append(pool_case(rng, "all of it", "average_pool", (6, 6, 5), 6, 6, same=False))
    assert differing(cases, tmp_path, target) == []
