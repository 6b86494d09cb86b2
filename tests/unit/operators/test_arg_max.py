"""ARG_MAX: the number of the likeliest class is the output."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.support.exactness import check_all
from tests.support.random_models import RandomModel
from vww_deploy.compiler import compile_model
from vww_deploy.errors import ModelError
from vww_deploy.graph import read_model
from vww_deploy.graph.model import Model


@pytest.mark.parametrize("dtype", ["INT32", "INT64"])
@pytest.mark.parametrize("stride", [2, 8])
def test_of_a_vector_and_of_a_map(stride: int, dtype: str) -> None:
    models = []
    for seed in range(3):
        model = RandomModel(np.random.default_rng(seed), 8, 7, 3)
        model.layer(5, 3, stride)
        model.arg_max(dtype)
        models.append(compile_model(model.finish(), optimize="ram" if seed % 2 else "speed"))
    check_all(models, pictures=3)


def test_the_class_is_certain(tmp_path: Path) -> None:
    model = RandomModel(np.random.default_rng(1), 8, 8, 3)
    model.layer(3, 3, 8)
    model.arg_max()
    path = tmp_path / "three.tflite"
    path.write_bytes(model.finish())
    (tmp_path / "labels.txt").write_text("cat\nperson\ndog\n")
    outputs = Model.load(path).outputs
    assert outputs.kind == "the number of one of 3 classes"
    assert [outputs.p_person([number]) for number in range(3)] == [0.0, 1.0, 0.0]
    assert outputs.prediction(0.0, [2], 0.5) == "dog"
    assert dataclasses.replace(outputs, rows=2).cells([1, 0], 0.5)[0].row == 0


def test_what_it_cannot_be() -> None:
    model = RandomModel(np.random.default_rng(1), 4, 4, 3)
    model.layer(129, 1, 4)
    model.arg_max()
    with pytest.raises(ModelError, match="129 classes; at most 128"):
        read_model(model.finish())
