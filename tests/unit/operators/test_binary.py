"""MUL, SUB, PRELU and ADD with constants and with broadcasting."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.exactness import check, check_all
from tests.support.random_models import RandomModel
from vww_deploy.compiler import compile_model
from vww_deploy.graph.operators.binary import Binary
from vww_deploy.graph.operators.lookup import ChannelLookup


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL", "PRELU"])
def test_constants_of_every_shape(kind: str) -> None:
    models = []
    for shape in ((3,), (1, 1, 5, 3), (6, 1, 1), (1, 6, 5, 1), (1, 6, 5, 3)):
        model = RandomModel(np.random.default_rng(4), 6, 5, 3)
        model.pointwise()
        model.conv(kernel=1, stride=1)
        _, h, w, c = model.now.shape
        model.binary(kind, tuple({6: h, 5: w, 3: c}.get(n, n) for n in shape))
        models.append(compile_model(model.finish()))
    check_all(models, pictures=3)


def test_squeeze_and_excite() -> None:
    models = []
    for seed in range(4):
        model = RandomModel(np.random.default_rng(seed), 7, 6, 3)
        model.conv(kernel=3, stride=1)
        model.excite()
        models.append(compile_model(model.finish(), optimize="ram"))
    check_all(models, pictures=3)


def test_a_constant_less_a_tensor() -> None:
    """As `1 - x` is; both orders come up in the seeds."""
    models = []
    for seed in range(8):
        model = RandomModel(np.random.default_rng(seed), 5, 4, 3)
        model.binary("SUB", (3,))
        models.append(compile_model(model.finish()))
    check_all(models, pictures=2)


@pytest.mark.parametrize("kinds", [("MUL", "ADD"), ("SUB", "PRELU"), ("ADD", "MUL", "ADD")])
@pytest.mark.parametrize("layers_before", [0, 1])
def test_a_chain_with_constants_of_each_channel_is_one_table_a_channel(
    kinds: tuple[str, ...], layers_before: int
) -> None:
    """A normalisation that was not fused; without a layer before it, of what the host sent."""
    models = []
    for seed in range(3):
        model = RandomModel(np.random.default_rng(seed), 17, 16, 3)
        model.dead_channels = seed == 2
        for _ in range(layers_before):
            model.pointwise()
        channels = model.now.shape[3]
        for kind in kinds:
            model.binary(kind, (channels,))
        model.unary("LEAKY_RELU")
        model.conv(kernel=3, stride=2)
        compiled = compile_model(model.finish())
        lookups = [op for op in compiled.graph.ops if isinstance(op, ChannelLookup)]
        assert len(lookups) == (channels > 1)
        assert not any(isinstance(op, Binary) for op in compiled.graph.ops)
        models.append(compiled)
    check_all(models, pictures=3)


def test_small_pictures_are_worth_no_tables() -> None:
    model = RandomModel(np.random.default_rng(1), 15, 17, 4)
    model.binary("MUL", (4,))
    compiled = compile_model(model.finish())
    assert any(isinstance(op, Binary) for op in compiled.graph.ops)
    check(compiled, pictures=2, seed=1)
