"""ADD of two tensors of one shape, against exact integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.support.kernel_cases import ON_BOTH_PATHS, add_case, differing
from vww_deploy.compiler.targets import Target


@ON_BOTH_PATHS
def test_the_kernel_gives_the_exact_bytes(target: Target | None, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    cases = [add_case(rng, f"add {shape}", shape) for shape in ((3, 5, 7), (4, 8, 6), (1, 1, 1), (2, 13, 13))]
    assert differing(cases, tmp_path, target) == []
