"""The drawing of a memory plan."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.support.random_models import small_mobilenet
from vww_deploy.compiler import compile_model
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
    write_svg(compiled, tmp_path / "plan.svg")
    assert (tmp_path / "plan.svg").read_text() == plan_svg(compiled)
    with pytest.raises(ModelError, match="cannot be written"):
        write_svg(compiled, tmp_path / "absent" / "plan.svg")
