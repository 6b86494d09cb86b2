"""DEPTHWISE_CONV_2D: shapes, odd sizes, borders, bands of rows, every kind of scaling, against exact integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.support.kernel_cases import ON_BOTH_PATHS, Case, Layer, differing
from vww_deploy.compiler.targets import Target


def cases(rng: np.random.Generator) -> list[Case]:
    made = []
    for stride in (1, 2):
        for width in range(1, 18):
            kind = ("relu", "saturate", "clamp", "generic")[width % 4]
            layer = Layer(
                rng, (3 + width % 9, width), 3, 3, kernel=(3, 3), stride=(stride, stride), depthwise=True, kind=kind
            )
            made.append(layer.case(f"depthwise {width} {stride} {kind}", in_place=stride == 1))
    for size in (24, 48, 60, 61):
        for stride in (1, 2):
            layer = Layer(rng, (size // 2, size), 2, 2, kernel=(3, 3), stride=(stride, stride), depthwise=True)
            made.append(layer.case(f"depthwise wide {size} {stride}"))
            made.append(layer.case(f"depthwise rows {size} {stride}", rows=3))
    for map_size in ((7, 9), (8, 10)):
        for stride in (1, 2):
            layer = Layer(rng, map_size, 3, 3, kernel=(3, 3), stride=(stride, stride), same=False, depthwise=True)
            made.append(layer.case(f"depthwise valid {map_size} {stride}"))
    for kernel in ((5, 5), (7, 7), (2, 3), (1, 5), (4, 4)):
        for stride in (1, 2, 3):
            layer = Layer(rng, (11, 13), 3, 3, kernel=kernel, stride=(stride, stride), depthwise=True, kind="saturate")
            made.append(layer.case(f"depthwise {kernel} {stride}", in_place=stride == 1))
    for kernel in ((3, 3), (5, 5)):
        layer = Layer(rng, (6, 7), 2, 6, kernel=kernel, depthwise=True)
        made.append(layer.case(f"depthwise multiplier {kernel}"))
        layer = Layer(rng, (9, 10), 2, 2, kernel=kernel, dilation=(2, 2), depthwise=True)
        made.append(layer.case(f"depthwise dilation {kernel}"))
    for rows in (1, 2, 3, 5):
        for stride in (1, 2):
            for size in (3, 5):
                layer = Layer(rng, (17, 13), 3, 3, kernel=(size, size), stride=(stride, stride), depthwise=True)
                made.append(layer.band_case(f"depthwise band {size} {stride} {rows}", rows))
    layer = Layer(rng, (40, 20), 2, 2, kernel=(3, 3), depthwise=True)
    made.append(layer.band_case("depthwise band of several chunks", 30))
    return made


@ON_BOTH_PATHS
def test_the_kernel_gives_the_exact_bytes(target: Target | None, tmp_path: Path) -> None:
    assert differing(cases(np.random.default_rng(7)), tmp_path, target) == []
