"""PAD that no other operator takes in, against exact integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.support.kernel_cases import ON_BOTH_PATHS, differing, pad_case
from vww_deploy.compiler.targets import Target


@ON_BOTH_PATHS
def test_the_kernel_gives_the_exact_bytes(target: Target | None, tmp_path: Path) -> None:
    case = pad_case(np.random.default_rng(7), "pad", (4, 5, 3), (1, 2, 2), (7, 8, 6))
    assert differing([case], tmp_path, target) == []
