"""The emitted library on this machine against LiteRT's reference kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.support.batch_engine import engines
from vww_deploy.compiler import Compiled, HostEngine
from vww_deploy.graph import Reference


def check(compiled: Compiled, pictures: int, seed: int, engine: HostEngine | None = None) -> None:
    """Every layer and the output, for random pictures; the second is black or white."""
    engine = engine or HostEngine(compiled)
    reference = Reference(compiled.graph)
    random = np.random.default_rng(seed)
    shape = compiled.graph.input_activation.shape
    for number in range(pictures):
        picture = random.integers(-128, 128, shape).astype(np.int8)
        if number == 1:
            picture[:] = random.choice([-128, 127])
        expected = reference.run_all(picture)
        for layer, output in zip(compiled.layers, engine.run_layers(picture), strict=True):
            np.testing.assert_array_equal(
                output, expected[layer.activation.id], err_msg=f"layer {layer.index} {layer.kind} '{layer.name}'"
            )
        np.testing.assert_array_equal(engine.run(picture), expected[compiled.source.output])


def check_all(models: Sequence[Compiled], pictures: int) -> None:
    """:func:`check` for several models, built as one library; a model's number is the seed of its pictures."""
    for seed, (compiled, engine) in enumerate(zip(models, engines(models), strict=True)):
        try:
            check(compiled, pictures, seed, engine)
        except AssertionError as error:
            error.add_note(f"model {seed} of {len(models)}")
            raise
