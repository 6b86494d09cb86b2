"""Fixtures that every test folder may use."""

from __future__ import annotations

import signal
from pathlib import Path

import hypothesis
import pytest

_SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Other people's models and the labelled pictures; exists for the team only, never on a user's machine."""
    if not (_SHARED / "models").is_dir():
        pytest.skip("needs ../shared, which only the team has")
    return _SHARED


# A deadline is a time by the wall clock, which says nothing on a shared machine.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")


def pytest_configure() -> None:
    """A session that is terminated ends as one that is interrupted: its fixtures still power their boards off."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A shell's background job ignores Ctrl-C, and so would every program that a test starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
