"""What a model's int8 outputs mean: probabilities, predictions, cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vww_deploy.pictures.cells import outlined
from vww_deploy.pictures.outputs import Cell, OutputSpec, places

SOFTMAX: dict[str, Any] = {"scale": 1 / 256, "zero_point": -128}
TWO = OutputSpec(("no person", "person"), 1, **SOFTMAX)


def int8(*values: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
    return np.array(values, dtype=np.int8)


def test_softmax_outputs_are_probabilities_already() -> None:
    assert TWO.p_person(int8(-128, 127)) == pytest.approx(255 / 256)
    assert TWO.p_person(int8(57, -57)) == pytest.approx(71 / 256)


def test_the_record_says_which_output_is_the_person() -> None:
    first = OutputSpec(("person", "nobody"), 0, **SOFTMAX)
    assert first.p_person(int8(127, -128)) == pytest.approx(255 / 256)
    assert first.pair == ("nobody", "person")
    assert first.chance == "P(person)"
    assert OutputSpec(("cup", "no cup"), 0, **SOFTMAX).chance == "P(cup)"
    assert first.prediction(0.2, int8(0, 0), 0.5) == "nobody"


def test_logits_go_through_a_softmax_and_a_single_one_through_a_sigmoid() -> None:
    logits = OutputSpec(scale=0.1, probabilities=False)
    assert logits.p_person(int8(0, 0)) == pytest.approx(0.5)
    assert logits.p_person(int8(0, 20)) == pytest.approx(1 / (1 + np.exp(-2)))
    single = OutputSpec(channels=1, scale=0.1, probabilities=False)
    assert single.p_person(int8(20)) == pytest.approx(1 / (1 + np.exp(-2)))


def test_a_sigmoid_is_the_probability_of_its_second_label() -> None:
    assert OutputSpec(channels=1, **SOFTMAX).p_person(int8(64)) == pytest.approx(0.75)
    assert OutputSpec(("person", "zebra"), 0, channels=1, **SOFTMAX).p_person(int8(64)) == pytest.approx(0.25)


def test_of_several_classes_the_likeliest_are_told() -> None:
    several = OutputSpec(("cat", "person", "dog"), 1, channels=3, **SOFTMAX)
    outputs = int8(40, -10, -30)
    assert several.top(outputs, 2) == (("cat", 168 / 256), ("person", 118 / 256))
    assert several.prediction(several.p_person(outputs), outputs, 0.5) == "cat"
    assert several.prediction(several.p_person(outputs), outputs, 0.4) == "person"
    assert several.detail(outputs, 0.5) == "cat 0.656, person 0.461, dog 0.383"


def test_where_nobody_knows_the_person_the_likeliest_class_is_the_prediction() -> None:
    unknown = OutputSpec(("class 0", "class 1", "class 2"), None, channels=3, **SOFTMAX)
    assert unknown.chance == "P(class 2)"
    assert unknown.prediction(0.9, int8(100, 0, 90), 0.5) == "class 0"
    assert "nobody knows which of the outputs is a person: class 0, class 1, class 2" in unknown.doubt
    assert TWO.doubt == ""


def test_a_map_finds_persons_where_its_cells_are() -> None:
    grid = OutputSpec(("background", "person"), 1, rows=3, columns=4, **SOFTMAX)
    outputs = np.full((3, 4, 2), -128, np.int8)
    outputs[..., 0] = 127
    for row, column, value in ((0, 0, 100), (1, 1, 60), (2, 3, 127)):
        outputs[row, column] = (-value, value)
    assert grid.p_person(outputs) == pytest.approx(255 / 256)
    found = grid.cells(outputs, 0.7)
    assert found == (Cell(2, 3, 255 / 256), Cell(0, 0, 228 / 256), Cell(1, 1, 188 / 256))
    assert places(found) == 2
    assert grid.detail(outputs, 0.7) == "3 cells in 2 places: row 2 column 3, row 0 column 0, row 1 column 1"
    assert grid.kind == "a map of 3 x 4 cells, each 2 classes"
    assert TWO.cells(int8(0, 127), 0.5) == ()


def test_cells_are_outlined_where_they_are() -> None:
    gray = np.full((8, 12, 1), 7, np.uint8)
    assert outlined(gray, 2, 3, ()) is gray
    drawn = outlined(gray, 2, 3, [Cell(1, 2, 0.9)])
    assert drawn.shape == (32, 48, 3)  # four times as large: a cell of 4 pixels would be nothing but outline
    green = (drawn == (0, 230, 118)).all(axis=2)
    expected = np.zeros((32, 48), bool)
    expected[16:32, 32:48] = True
    expected[18:30, 34:46] = False
    assert np.array_equal(green, expected)
    assert (drawn[~expected] == 7).all()
    assert (gray == 7).all()


def test_a_run_of_an_earlier_version_has_its_labels_and_no_more() -> None:
    earlier = OutputSpec.of_earlier(("no person", "person"))
    assert (earlier.person, earlier.pair) == (1, ("no person", "person"))
    assert earlier.prediction(0.6, int8(0, 30), 0.5) == "person"
    assert earlier.top(int8(0, 30)) == ()


@pytest.mark.parametrize(
    "wrong", [{"rows": 0}, {"channels": 3}, {"person": 2}, {"scale": float("nan")}, {"rows": 1 << 20}]
)
def test_fields_that_contradict_each_other_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        OutputSpec(**wrong)  # type: ignore[arg-type]
