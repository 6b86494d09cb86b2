"""The planner's memory: the same plan without a search; nothing that is damaged or another version's is taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vww_deploy.compiler import compile_model, plan_cache
from vww_deploy.compiler.planner import choose_plan

Changed = Callable[[Path], object]


@pytest.fixture
def searches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A cache of the test's own, and a list that grows with every search."""
    monkeypatch.setenv("VWW_DEPLOY_CACHE", str(tmp_path / "cache"))
    done: list[str] = []
    search = choose_plan

    def counted(*arguments: object, optimize: str) -> object:
        done.append(optimize)
        return search(*arguments, optimize=optimize)  # type: ignore[arg-type]

    monkeypatch.setattr(plan_cache, "choose_plan", counted)
    return done


def test_the_second_time_nothing_is_searched(mobilenet: bytes, searches: list[str]) -> None:
    first, second = compile_model(mobilenet), compile_model(mobilenet)
    assert searches == ["speed"]
    assert second.files == first.files
    assert second.plan == first.plan
    compile_model(mobilenet, optimize="ram")
    assert searches == ["speed", "ram"]


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.write_bytes(file.read_bytes()[:-5]),  # as a machine that lost its power leaves it
        lambda file: file.write_text("[]"),
        lambda file: file.write_text('{"bands": [[0, 99, 1, false]], "by_rows": [], "arena_bytes": 1}'),
        lambda file: file.write_text('{"bands": [], "by_rows": [], "arena_bytes": 1}'),
        lambda file: file.write_text('{"bands": [[0, -1, 0, 0], [5, 2, 3, 0]], "by_rows": [-7], "arena_bytes": "x"}'),
        lambda file: file.write_bytes(b"\xff" * 100),
    ],
)
def test_what_is_damaged_is_searched_again(
    mobilenet: bytes, searches: list[str], tmp_path: Path, change: Changed
) -> None:
    first = compile_model(mobilenet)
    (file,) = (tmp_path / "cache" / "plans").iterdir()
    change(file)
    assert compile_model(mobilenet).plan == first.plan
    compile_model(mobilenet)
    assert searches == ["speed", "speed"], "and is whole again"


def test_another_version_searches_for_itself(
    mobilenet: bytes, searches: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_model(mobilenet)
    monkeypatch.setattr(plan_cache, "_sources", lambda: "another version's")
    compile_model(mobilenet)
    assert searches == ["speed", "speed"]


def test_without_a_cache_everything_works(mobilenet: bytes, searches: list[str], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    assert compile_model(mobilenet).plan == compile_model(mobilenet).plan
    assert searches == ["speed", "speed"]


def test_old_plans_are_forgotten(
    mobilenet: bytes, searches: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_cache, "_KEPT", 1)
    for optimize in ("speed", "ram", "speed"):
        compile_model(mobilenet, optimize=optimize)
    assert len(searches) == 3 and len(list((tmp_path / "cache" / "plans").iterdir())) == 1
