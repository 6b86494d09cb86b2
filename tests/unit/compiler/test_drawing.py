"""The drawing of a memory plan."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.support.random_models import small_mobilenet
from vww_deploy.compiler import compile_model, drawing
from vww_deploy.compiler.drawing import explain, plan_svg, plan_text, write_svg
from vww_deploy.errors import ModelError


def test_terminal() -> None:
    compiled = compile_model(small_mobilenet(channels=3), optimize="ram")
    text = plan_text(compiled, width=60, height=10)
    lines = text.splitlines()
    assert all(len(line) <= 60 for line in lines)
    assert "layer" in lines[10]
    assert f"{compiled.plan.arena_bytes:,}" in lines[0]
    assert any("input 24x24x3" in line for line in lines)
    sentences = explain(compiled)
    assert any("stream" in sentence for sentence in sentences)
    assert "most is in use in layer" in sentences[-1]


def test_svg_is_well_formed(tmp_path: Path) -> None:
    compiled = compile_model(small_mobilenet(), optimize="ram")
    root = ET.fromstring(plan_svg(compiled))
    rectangles = root.findall("{http://www.w3.org/2000/svg}rect")
    assert len(rectangles) > len([s for s in compiled.plan.storages if s.tensors])
    texts = [text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert any(text.startswith("most in use: ") for text in texts)
    for storage in compiled.plan.storages:
        if storage.tensors:
            assert any(text.endswith(f": {max(storage.high):,} bytes") for text in texts), "the legend has them all"
    write_svg(compiled, tmp_path / "plan.svg")
    assert (tmp_path / "plan.svg").read_text() == plan_svg(compiled)
    with pytest.raises(ModelError, match="cannot be written"):
        write_svg(compiled, tmp_path / "absent" / "plan.svg")


@pytest.mark.parametrize(
    ("most", "ticks"),
    [
        (19_660, [0, 5_000, 10_000, 15_000]),
        (33_344, [0, 5_000, 10_000, 15_000, 20_000, 25_000, 30_000]),
        (7, [0, 1, 2, 3, 4, 5, 6, 7]),
        (999_999, [0, 200_000, 400_000, 600_000, 800_000]),
    ],
)
def test_the_axis_has_round_figures(most: int, ticks: list[int]) -> None:
    assert drawing._ticks(most) == ticks
