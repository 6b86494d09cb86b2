"""Fixtures that every test folder may use."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import typer

from tests.support.json_shapes import assert_documented, json_page
from vww_deploy.cli import common

_SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Other people's models and the labelled pictures; exists for the team only, never on a user's machine."""
    if not (_SHARED / "models").is_dir():
        pytest.skip("needs ../shared, which only the team has")
    return _SHARED


@pytest.fixture(scope="session", autouse=True)
def json_as_documented() -> Iterator[None]:
    """Whatever a command prints with ``--json`` in this process is compared with docs/json.md."""
    print_json, echo = common.print_json, typer.echo

    def checked(value: Any) -> None:
        def compare(text: str) -> None:
            assert any(type(value) in kinds for kinds in json_page().COMMANDS.values()), type(value)
            assert_documented(text, (type(value),))
            echo(text)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(typer, "echo", compare)
            print_json(value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(common, "print_json", checked)
        yield


# A deadline is a time by the wall clock, which says nothing on a shared machine.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")


def pytest_configure() -> None:
    """A session that is terminated ends as one that is interrupted: its fixtures still power their boards off.

    The boards that this machine's user added are not the tests'.
    """
    os.environ["VWW_DEPLOY_CONFIG"] = os.devnull
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A shell's background job ignores Ctrl-C, and so would every program that a test starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
