"""How accumulators are scaled, on every kind of core."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.support.kernel_cases import Layer, build, failures, needs_arm, run
from vww_deploy.compiler.kernels.scaling import Scale
from vww_deploy.compiler.targets.cortex_m0plus import TARGET as CORTEX_M0PLUS
from vww_deploy.compiler.targets.cortex_m4 import TARGET as CORTEX_M4


@needs_arm
def test_scaling_agrees_on_every_rounding_edge(tmp_path: Path) -> None:
    """One-tap convolutions whose accumulators are set by the bias: exact halves, both signs, every shift."""
    rng = np.random.default_rng(3)
    cases = []
    for kind, zero in (("relu", -128), ("saturate", -3), ("clamp", 5), ("generic", -128)):
        layer = Layer(rng, (1, 4), 1, 400, kind=kind)
        shifts = rng.integers(-12, -1 if kind != "generic" else 4, layer.out_c)
        multipliers = rng.choice([1 << 30, (1 << 30) + 1, (1 << 31) - 1, 3 << 29, 0x55555555], layer.out_c)
        halves = (2 * rng.integers(-130, 130, layer.out_c) + 1) << np.maximum(-shifts - 1, 0)
        layer.w[:] = rng.integers(-1, 2, layer.w.shape)
        layer.bias = (halves * np.where(multipliers == 1 << 30, 2, 1) + rng.integers(-1, 2, layer.out_c)).astype(
            np.int32
        )
        layer.scale = Scale(
            multipliers.astype(np.int32), shifts.astype(np.int32), zero, layer.scale.clamp_min, layer.scale.clamp_max
        )
        cases.append(layer.case(f"edges {kind}"))
    # The Cortex-M0+ has no long multiplication: its way of scaling is its own.
    for target in (CORTEX_M4, CORTEX_M0PLUS, None):
        folder = tmp_path / (target.name if target else "host")
        assert failures(cases, run(build(cases, folder, target=target), target=target)) == []
