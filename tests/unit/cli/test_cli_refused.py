"""`inspect` of a model that cannot be compiled: what it would be, what is left out, and what to change."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support.hostile_files import hostile_file
from tests.support.random_models import RandomModel
from tests.support.tflite_writer import ModelWriter, options
from tests.unit.cli.conftest import Ran

Cli = Callable[..., Ran]


def unsupported() -> bytes:
    """A convolution, an ELU, a resize to another shape that is none of ours, and a convolution."""
    model = RandomModel(np.random.default_rng(1), 16, 16, 3)
    model.layer(4, 3, 2)
    source, out = model.now, model.output(model.now.shape)
    model.writer.op("ELU", [source.index], [out.index])
    source, out = model.now, model.output((1, 16, 16, 4))
    model.writer.op("TRANSPOSE_CONV", [source.index], [out.index])
    model.layer(2, 3, 2)
    return model.finish()


def floating() -> bytes:
    """The float form of a convolution, a mean, and a dense layer with softmax."""
    w = ModelWriter()
    random = np.random.default_rng(1)

    def values(*shape: int, **more: object) -> int:
        return w.tensor(shape, dtype="FLOAT32", **more)  # type: ignore[arg-type]

    given, made, mean, logits, result = (values(*s) for s in ((1, 8, 8, 3), (1, 4, 4, 6), (1, 6), (1, 2), (1, 2)))
    kernel, bias = values(6, 3, 3, 3, data=random.normal(size=(6, 3, 3, 3))), values(6, data=np.ones(6))
    w.op("CONV_2D", [given, kernel, bias], [made], options("Conv2DOptions", StrideH=2, StrideW=2, Padding=0))
    axes = w.tensor((2,), dtype="INT32", data=np.array([1, 2]))
    w.op("MEAN", [made, axes], [mean], options("ReducerOptions"))
    dense = values(2, 6, data=random.normal(size=(2, 6)))
    w.op("FULLY_CONNECTED", [mean, dense], [logits], options("FullyConnectedOptions"))
    w.op("SOFTMAX", [logits], [result], options("SoftmaxOptions", Beta=1.0))
    return w.write([given], [result])


def test_the_refused_operators_are_left_out(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "refused.tflite"
    path.write_bytes(unsupported())
    ran = cli("inspect", path)
    assert ran.code == 1
    assert "left out   1 ELU" in ran.out
    assert "take ReLU, ReLU6" in ran.out
    assert "left out   2 TRANSPOSE_CONV" in ran.out
    assert "RAM" in ran.out and "nano33ble" in ran.out
    assert "2 operator(s) cannot be compiled" in ran.err
    assert "take UpSampling2D and Conv2D" in ran.err
    error = json.loads(cli("inspect", path, "--json").out)["error"]
    assert [one["kind"] for one in error["left_out"]] == ["ELU", "TRANSPOSE_CONV"]
    assert error["would_be"]["report"]["macs"] > 0
    assert error["would_be"]["boards"]["nano33ble"] is True


def test_a_float_model_is_shown_as_the_int8_model_that_it_would_be(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "float.tflite"
    path.write_bytes(floating())
    ran = cli("inspect", path)
    assert ran.code == 1
    assert "as the int8 model that it would be" in ran.out
    assert "MACs       2,604" in ran.out  # 4 x 4 x 6 x 27 and 12
    assert "left out" not in ran.out
    assert "vww-deploy quantize" in ran.err


@pytest.mark.parametrize("case", [0, 7, 15, 66, 556])
def test_a_hostile_file_is_refused_in_words(case: int, cli: Cli, tmp_path: Path) -> None:
    """Of those of benchmarks/hostile_files.py; 66 has neither input nor output, of 556 nothing can be compiled."""
    path = tmp_path / "hostile.tflite"
    path.write_bytes(hostile_file(case))
    ran = cli("inspect", path)
    assert ran.code == 1 and "hostile" in ran.err and "Traceback" not in ran.err
