"""``collect`` ends: with what was asked for, or when there is nothing new to take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from vww_deploy.cli import collect
from vww_deploy.cli.monitor import open_source
from vww_deploy.session.events import ShownPicture

Cli = Callable[..., Any]


def showing(different: int, *, given: list[int]) -> SimpleNamespace:
    """A source that shows so many different pictures, again and again, until it is stopped."""

    def events(control: Any) -> Iterator[ShownPicture]:
        while not control.stopped:
            given.append(len(given))
            yield ShownPicture(given[-1], np.full((8, 8, 1), given[-1] % different, np.uint8))

    return SimpleNamespace(events=events)


@pytest.mark.parametrize(("different", "count", "code"), [(9, 5, 0), (3, 5, 1)])
def test_collect_ends_when_nothing_new_comes(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, different: int, count: int, code: int
) -> None:
    given: list[int] = []
    monkeypatch.setattr(collect, "open_source", lambda *_, **__: showing(different, given=given))
    ran = cli("collect", "--person", "-n", count, "--camera", "-o", tmp_path / "out")
    assert ran.code == code
    assert len(list((tmp_path / "out" / "labelled" / "person").glob("*.png"))) == min(different, count)
    assert len(given) <= count + 20
    assert ("among those taken before" in ran.err) == bool(code)


def test_pictures_that_were_there_before_are_counted_apart(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for different, code, said in (
        (3, 1, "Took 3 new pictures. "),
        (5, 1, "Took 2 new pictures; 3 were there already. "),
    ):
        monkeypatch.setattr(collect, "open_source", lambda *_, n=different, **__: showing(n, given=[]))
        ran = cli("collect", "--person", "-n", 9, "--camera", "-o", tmp_path / "out")
        assert ran.code == code
        assert said in ran.err


def test_what_an_earlier_call_took_does_not_end_the_next_one(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill: the first 30 of 40 pictures are there."""
    for different, count, code in ((30, 30, 0), (40, 10, 0)):
        monkeypatch.setattr(collect, "open_source", lambda *_, n=different, **__: showing(n, given=[]))
        assert cli("collect", "--person", "-n", count, "--camera", "-o", tmp_path / "out").code == code
    assert len(list((tmp_path / "out" / "labelled" / "person").glob("*.png"))) == 40


def test_a_board_that_is_shown_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    open_source(None, model=None, board="virtual", port=None, fps=0.0)
    assert "the board is shown nothing yet: name pictures" in capsys.readouterr().err
