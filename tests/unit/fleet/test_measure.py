"""Whose counts can be compared: machines with the same kernels and, where they have one, the same compiler."""

from __future__ import annotations

import pytest

from vww_deploy.errors import FleetError
from vww_deploy.fleet.measure import Tools, check_same, tools

HERE = Tools("here", "a" * 64, "g++ 12")


def test_machines_that_agree() -> None:
    known = [HERE]
    for theirs in (HERE, Tools("desk", "a" * 64, "g++ 12"), Tools("shelf", "a" * 64, "")):
        check_same(known, theirs)
    assert [one.machine for one in known] == ["here", "desk", "shelf"]


def test_machines_whose_counts_cannot_be_compared() -> None:
    with pytest.raises(FleetError, match="sources on desk are not those on here"):
        check_same([HERE], Tools("desk", "b" * 64, "g++ 12"))
    with pytest.raises(FleetError, match=r"here counts with g\+\+ 12, desk with g\+\+ 13"):
        check_same([HERE], Tools("desk", "a" * 64, "g++ 13"))


def test_this_machines_tools() -> None:
    assert len(tools().sources) == 64
    assert tools().compiler == "" or "arm-none-eabi-g++" in tools().compiler
