"""CONV_2D: shapes, odd sizes, borders, bands of rows, every kind of scaling, against exact integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.support.kernel_cases import ON_BOTH_PATHS, Case, Layer, differing
from vww_deploy.compiler.targets import Target


def cases(rng: np.random.Generator) -> list[Case]:
    made = []
    # Pointwise: every number of pixels in a row up to 14, in and out of place, odd channels, all kinds.
    for pixels in range(1, 15):
        kind = ("relu", "saturate", "clamp", "generic")[pixels % 4]
        layer = Layer(rng, (1, pixels), 3 + pixels % 5, 2 + pixels % 3, kind=kind)
        made.append(layer.case(f"pointwise {pixels} {kind}", in_place=pixels % 2 == 0))
    # Every entry into the unrolled loops, for blocks of four and of three pixels.
    for channels in range(1, 22):
        for pixels in (4, 3):
            made.append(Layer(rng, (1, pixels), channels, 2).case(f"entry {channels} {pixels}"))
    for size, wide, narrow in ((6, 40, 24), (3, 70, 33), (12, 9, 20)):
        widen = Layer(rng, (size, size), narrow, wide, kind="saturate")
        made.append(widen.case(f"widen in place {size}", in_place=True))
        made.append(Layer(rng, (size, size), wide, narrow).case(f"narrow in place {size}", in_place=True))
        made.append(Layer(rng, (size, size), wide, narrow).case(f"padded planes {size}", plane=size * size + 3))
    # From an interleaved picture, and k by k from planes.
    for channels in (1, 2, 3, 4):
        for stride in (1, 2, 3):
            layer = Layer(rng, (11, 14), channels, 5, kernel=(3, 3), stride=(stride, stride), kind="saturate")
            made.append(layer.case(f"picture {channels} {stride}", hwc=True))
            made.append(layer.case(f"planes {channels} {stride}"))
    for kernel, dilation in (((5, 3), 1), ((2, 2), 1), ((1, 7), 1), ((3, 3), 2)):
        layer = Layer(rng, (9, 13), 3, 4, kernel=kernel, dilation=(dilation, dilation), kind="clamp")
        made.append(layer.case(f"window {kernel} {dilation}"))
        made.append(layer.case(f"window hwc {kernel} {dilation}", hwc=True, rows=2))
    for rows in (1, 2, 3, 5):
        for step in (1, 2):
            layer = Layer(rng, (13, 12), 3, 4, kernel=(3, 3), stride=(step, step))
            made.append(layer.band_case(f"convolution band {step} {rows}", rows))
        made.append(Layer(rng, (11, 10), 5, 4).band_case(f"pointwise band {rows}", rows))
    return made


@ON_BOTH_PATHS
def test_the_kernel_gives_the_exact_bytes(target: Target | None, tmp_path: Path) -> None:
    assert differing(cases(np.random.default_rng(7)), tmp_path, target) == []
