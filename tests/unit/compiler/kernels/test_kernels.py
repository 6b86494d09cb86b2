"""The kernels' portable and DSP paths against exact integers: shapes, odd sizes, borders, every kind of scaling."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.support.kernel_cases import Case, Layer, add_case, build, failures, pad_case, pool_case, run
from vww_deploy.compiler.kernels.scaling import Scale
from vww_deploy.compiler.targets.cortex_m0plus import TARGET as CORTEX_M0PLUS
from vww_deploy.compiler.targets.cortex_m4 import TARGET as CORTEX_M4

arm = pytest.mark.skipif(
    shutil.which("arm-none-eabi-g++") is None or shutil.which("qemu-system-arm") is None,
    reason="needs arm-none-eabi-g++ and qemu-system-arm",
)


def convolutions(rng: np.random.Generator) -> list[Case]:
    cases = []
    # Pointwise: every number of pixels in a row up to 14, in and out of place, odd channels, all kinds.
    for pixels in range(1, 15):
        kind = ("relu", "saturate", "clamp", "generic")[pixels % 4]
        layer = Layer(rng, (1, pixels), 3 + pixels % 5, 2 + pixels % 3, kind=kind)
        cases.append(layer.case(f"pointwise {pixels} {kind}", in_place=pixels % 2 == 0))
    # Every entry into the unrolled loops, for blocks of four and of three pixels.
    for channels in range(1, 22):
        for pixels in (4, 3):
            cases.append(Layer(rng, (1, pixels), channels, 2).case(f"entry {channels} {pixels}"))
    for size, wide, narrow in ((6, 40, 24), (3, 70, 33), (12, 9, 20)):
        widen = Layer(rng, (size, size), narrow, wide, kind="saturate")
        cases.append(widen.case(f"widen in place {size}", in_place=True))
        cases.append(Layer(rng, (size, size), wide, narrow).case(f"narrow in place {size}", in_place=True))
        cases.append(Layer(rng, (size, size), wide, narrow).case(f"padded planes {size}", plane=size * size + 3))
    # From an interleaved picture, and k by k from planes.
    for channels in (1, 2, 3, 4):
        for stride in (1, 2, 3):
            layer = Layer(rng, (11, 14), channels, 5, kernel=(3, 3), stride=(stride, stride), kind="saturate")
            cases.append(layer.case(f"picture {channels} {stride}", hwc=True))
            cases.append(layer.case(f"planes {channels} {stride}"))
    for kernel, dilation in (((5, 3), 1), ((2, 2), 1), ((1, 7), 1), ((3, 3), 2)):
        layer = Layer(rng, (9, 13), 3, 4, kernel=kernel, dilation=(dilation, dilation), kind="clamp")
        cases.append(layer.case(f"window {kernel} {dilation}"))
        cases.append(layer.case(f"window hwc {kernel} {dilation}", hwc=True, rows=2))
    return cases


def depthwise(rng: np.random.Generator) -> list[Case]:
    cases = []
    for stride in (1, 2):
        for width in range(1, 18):
            kind = ("relu", "saturate", "clamp", "generic")[width % 4]
            layer = Layer(
                rng, (3 + width % 9, width), 3, 3, kernel=(3, 3), stride=(stride, stride), depthwise=True, kind=kind
            )
            cases.append(layer.case(f"depthwise {width} {stride} {kind}", in_place=stride == 1))
    for size in (24, 48, 60, 61):
        for stride in (1, 2):
            layer = Layer(rng, (size // 2, size), 2, 2, kernel=(3, 3), stride=(stride, stride), depthwise=True)
            cases.append(layer.case(f"depthwise wide {size} {stride}"))
            cases.append(layer.case(f"depthwise rows {size} {stride}", rows=3))
    for map_size in ((7, 9), (8, 10)):
        for stride in (1, 2):
            layer = Layer(rng, map_size, 3, 3, kernel=(3, 3), stride=(stride, stride), same=False, depthwise=True)
            cases.append(layer.case(f"depthwise valid {map_size} {stride}"))
    for kernel in ((5, 5), (7, 7), (2, 3), (1, 5), (4, 4)):
        for stride in (1, 2, 3):
            layer = Layer(rng, (11, 13), 3, 3, kernel=kernel, stride=(stride, stride), depthwise=True, kind="saturate")
            cases.append(layer.case(f"depthwise {kernel} {stride}", in_place=stride == 1))
    for kernel in ((3, 3), (5, 5)):
        layer = Layer(rng, (6, 7), 2, 6, kernel=kernel, depthwise=True)
        cases.append(layer.case(f"depthwise multiplier {kernel}"))
        layer = Layer(rng, (9, 10), 2, 2, kernel=kernel, dilation=(2, 2), depthwise=True)
        cases.append(layer.case(f"depthwise dilation {kernel}"))
    return cases


def bands(rng: np.random.Generator) -> list[Case]:
    cases = []
    for rows in (1, 2, 3, 5):
        for stride in (1, 2):
            for kernel in (3, 5):
                layer = Layer(rng, (17, 13), 3, 3, kernel=(kernel, kernel), stride=(stride, stride), depthwise=True)
                cases.append(layer.band_case(f"depthwise band {kernel} {stride} {rows}", rows))
            layer = Layer(rng, (13, 12), 3, 4, kernel=(3, 3), stride=(stride, stride))
            cases.append(layer.band_case(f"convolution band {stride} {rows}", rows))
        cases.append(Layer(rng, (11, 10), 5, 4).band_case(f"pointwise band {rows}", rows))
    layer = Layer(rng, (40, 20), 2, 2, kernel=(3, 3), depthwise=True)
    cases.append(layer.band_case("depthwise band of several chunks", 30))
    return cases


def others(rng: np.random.Generator) -> list[Case]:
    cases = [add_case(rng, f"add {shape}", shape) for shape in ((3, 5, 7), (4, 8, 6), (1, 1, 1), (2, 13, 13))]
    for kind in ("average_pool", "max_pool"):
        for kernel, stride, same in ((2, 2, True), (3, 2, True), (3, 1, False), (3, 3, False), (5, 1, True)):
            cases.append(pool_case(rng, f"{kind} {kernel} {stride} {same}", kind, (7, 9, 4), kernel, stride, same=same))
    cases.append(pool_case(rng, "average to one", "average_pool", (6, 6, 5), 6, 6, same=False))
    cases.append(pool_case(rng, "max even", "max_pool", (12, 12, 8), 2, 2, same=False))
    cases.append(pad_case(rng, "pad", (4, 5, 3), (1, 2, 2), (7, 8, 6)))
    return cases


@pytest.mark.parametrize("cases", [convolutions, depthwise, bands, others], ids=lambda f: f.__name__)
def test_portable_path_gives_the_exact_bytes(cases: object, tmp_path: Path) -> None:
    made = cases(np.random.default_rng(7))  # type: ignore[operator]
    assert failures(made, run(build(made, tmp_path, target=None), target=None)) == []


@arm
@pytest.mark.parametrize("cases", [convolutions, depthwise, bands, others], ids=lambda f: f.__name__)
def test_dsp_path_gives_the_exact_bytes(cases: object, tmp_path: Path) -> None:
    made = cases(np.random.default_rng(7))  # type: ignore[operator]
    assert failures(made, run(build(made, tmp_path, target=CORTEX_M4), target=CORTEX_M4)) == []


@arm
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
