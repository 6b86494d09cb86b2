"""The one definition of minimum, median and 95th percentile."""

from __future__ import annotations

import pytest

from vww_deploy.spread import Spread


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([7], Spread(7, 7, 7, 7), id="one value is all of them"),
        pytest.param([3, 1, 2], Spread(1, 2, 3, 3), id="in any order"),
        pytest.param(range(1, 11), Spread(1, 5, 10, 10), id="the median of ten is the fifth, p95 the tenth"),
        pytest.param(range(1, 21), Spread(1, 10, 19, 20), id="p95 of twenty is the nineteenth"),
        pytest.param(range(1, 101), Spread(1, 50, 95, 100), id="a hundred"),
    ],
)
def test_each_figure_is_one_of_the_values_by_nearest_rank(values: list[int], expected: Spread) -> None:
    assert Spread.of(values) == expected


def test_nothing_has_no_spread() -> None:
    with pytest.raises(ValueError, match="no values"):
        Spread.of([])
