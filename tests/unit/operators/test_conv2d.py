"""CONV_2D: every shape against exact integers, groups as ResNeXt has them, runs of channels of different kinds."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.channel_runs import model_in_runs, spoil
from tests.support.cortex_m4 import AVAILABLE, run_on_cortex_m4
from tests.support.exactness import check
from tests.support.kernel_cases import ON_BOTH_PATHS, Case, Layer, differing
from tests.support.random_models import RandomModel
from vww_deploy.compiler import compile_model, layer_digest
from vww_deploy.compiler.kernels.conv2d import pack_conv
from vww_deploy.compiler.kernels.scaling import PackedScaling, RequantKind
from vww_deploy.compiler.targets import Target
from vww_deploy.compiler.targets.cortex_m0plus import TARGET as CORTEX_M0PLUS
from vww_deploy.compiler.targets.cortex_m4 import TARGET as CORTEX_M4
from vww_deploy.compiler.targets.rv32imc import TARGET as RV32IMC
from vww_deploy.graph import Reference
from vww_deploy.graph.multipliers import quantize_multiplier


def cases_of_shapes(rng: np.random.Generator) -> list[Case]:
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
def test_every_shape_gives_the_exact_bytes(target: Target | None, tmp_path: Path) -> None:
    assert differing(cases_of_shapes(np.random.default_rng(7)), tmp_path, target) == []


@pytest.mark.parametrize("groups", [2, 4])
def test_groups(groups: int) -> None:
    model = RandomModel(np.random.default_rng(groups), 7, 6, 3)
    model.layer(8, 3, 1)
    model.conv(kernel=3, stride=2, groups=groups)
    model.layer(4, 1, 1)
    compiled = compile_model(model.finish(), optimize="ram")
    source = compiled.source
    weights = [op.parameters for op in source.ops if op.kind == "CONV_2D"]
    assert len(weights) == groups + 2
    check(compiled, pictures=2, seed=1)


# --- runs of channels ---


def scaled_by(layer: Layer, channel: int, real: float) -> None:
    """Gives a channel of the layer this multiplier."""
    layer.scale.multipliers[channel], layer.scale.shifts[channel] = quantize_multiplier(real)


def packed(layer: Layer) -> PackedScaling:
    return pack_conv(layer.w, layer.bias, layer.zero, layer.scale, input_is_hwc=False)


def cases_of_runs() -> list[Case]:
    """-128 beside a negative weight and large multipliers, in the first, a middle and the last pair of channels."""
    rng = np.random.default_rng(11)
    cases: list[Case] = []
    for channels in (2, 7, 8, 9):
        for first in sorted({0, channels // 4 * 2, (channels - 2) // 2 * 2}):
            for how in ("low", "high", "both"):
                kind = ("relu", "saturate", "clamp")[len(cases) % 3]
                layer = Layer(rng, (1, 1 + len(cases) % 9), 3 + len(cases) % 4, channels, kind=kind)
                spoil(layer.w, first, how)
                assert packed(layer).in_runs == (how != "low" and channels > 2)
                cases.append(layer.case(f"runs {channels} -128 {how} of {first}", in_place=len(cases) % 2 == 0))
        for channel in sorted({0, 1, channels // 2, channels - 1}):
            for real in (0.25, 0.499, 1.7):
                layer = Layer(rng, (1, 1 + len(cases) % 9), 2, channels, kind="saturate")
                scaled_by(layer, channel, real)
                assert packed(layer).in_runs == (channels > 2)
                cases.append(layer.case(f"runs {channels} {real} at {channel}"))
    # Many of both, in windows, from planes and from an interleaved picture; every pair with -128 in both channels.
    for channels in (13, 24):
        layer = Layer(rng, (7, 11), 3, channels, kernel=(3, 3), kind="clamp")
        for first in (0, 5, 6, 9):
            spoil(layer.w, first, "both")
        for channel in (2, 3, 11):
            scaled_by(layer, channel, 0.26)
        cases.append(layer.case(f"runs {channels} from planes", rows=2))
        cases.append(layer.case(f"runs {channels} from a picture", hwc=True))
        layer = Layer(rng, (2, 9), 4, channels)
        for first in range(channels - 1):
            layer.w[first : first + 2, 0, 0, first % 4] = -128, -100
        cases.append(layer.case(f"runs {channels} with -128"))
    return cases


# Where there is no floating-point unit, the arguments of the assembly lie on the stack: every run is a call of its own.
SOFT_FLOAT = replace(CORTEX_M4, name="cortex_m4_soft", flags=("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=soft"))


@pytest.mark.parametrize(
    "target", [None, CORTEX_M4, SOFT_FLOAT, CORTEX_M0PLUS, RV32IMC], ids=lambda t: t.name if t else "host"
)
def test_every_run_gives_the_exact_bytes(target: Target | None, tmp_path: Path) -> None:
    if target and not (shutil.which(target.compiler) and shutil.which(target.get_emulator().program)):
        pytest.skip(f"needs {target.compiler} and {target.get_emulator().program}")
    cases = cases_of_runs()
    assert differing(cases, tmp_path, target) == []


def test_one_pair_does_not_cost_the_layer_its_speed() -> None:
    """Flash and kind: what is split takes the weights of a channel more, and no other pair changes."""
    layer = Layer(np.random.default_rng(1), (1, 4), 8, 32)
    whole = packed(layer)
    assert (whole.kind, whole.in_runs) == (RequantKind.SATURATE, False)
    spoil(layer.w, 10, "both")
    split = packed(layer)
    assert (split.kind, split.in_runs) == (RequantKind.SATURATE, True)
    # Channel 10 alone, then pairs again from 11 on, and 31 alone: a pair and the words of two runs more.
    assert len(split.constants) == len(whole.constants) + 8 + 2 * 8 + 8 + 8
    assert split.constants[:4].view(np.int32)[0] == 2 * 11 + 1


def test_weights_do_not_double_where_no_pair_fits() -> None:
    layer = Layer(np.random.default_rng(1), (1, 4), 8, 32)
    bytes_before = len(packed(layer).constants)
    for channel in range(32):
        layer.w[channel, 0, 0, channel % 2] = -128
        layer.w[channel, 0, 0, 1 - channel % 2] = -1
    general = packed(layer)
    assert (general.kind, general.in_runs) == (RequantKind.GENERIC, False)
    assert len(general.constants) <= bytes_before + 4 * 16


@pytest.mark.parametrize("seed", range(4))
def test_layers_in_runs_agree_with_litert(seed: int, tmp_path: Path) -> None:
    compiled = compile_model(model_in_runs(seed))
    params = [kernel.params for kernel in compiled.kernels.values() if kernel.params is not None]
    assert sum(("in_runs", "true") in given.fields for given in params) >= 3
    check(compiled, pictures=2, seed=seed)
    if AVAILABLE:
        picture = np.random.default_rng(seed).integers(-128, 128, compiled.graph.input_activation.shape).astype(np.int8)
        expected = Reference(compiled.graph).run_all(picture)
        digests, output = run_on_cortex_m4(compiled, picture, tmp_path)
        assert digests == [layer_digest(expected[layer.activation.id]) for layer in compiled.layers]
        np.testing.assert_array_equal(output, expected[compiled.source.output].reshape(-1))
