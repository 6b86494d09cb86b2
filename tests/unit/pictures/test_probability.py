"""P(person) from a model's int8 outputs."""

from __future__ import annotations

import numpy as np
import pytest

from vww_deploy.graph.ir import Quantization
from vww_deploy.pictures.probability import person_probability

SOFTMAX = Quantization(1 / 256, -128)
LABELS = ("no person", "person")


def int8(*values: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
    return np.array(values, dtype=np.int8)


def test_softmax_outputs_are_probabilities_already() -> None:
    assert person_probability(int8(-128, 127), SOFTMAX, LABELS) == pytest.approx(255 / 256)
    assert person_probability(int8(57, -57), SOFTMAX, LABELS) == pytest.approx(71 / 256)


def test_the_label_decides_which_output_is_the_person() -> None:
    assert person_probability(int8(127, -128), SOFTMAX, ("person", "nobody")) == pytest.approx(255 / 256)
    assert person_probability(int8(127, -128), SOFTMAX, ("a", "b")) == 0.0


def test_logits_go_through_a_softmax() -> None:
    quantization = Quantization(0.1, 0)
    assert person_probability(int8(0, 0), quantization, LABELS) == pytest.approx(0.5)
    assert person_probability(int8(0, 20), quantization, LABELS) == pytest.approx(1 / (1 + np.exp(-2)))
    assert person_probability(int8(20), quantization, LABELS) == pytest.approx(1 / (1 + np.exp(-2)))
