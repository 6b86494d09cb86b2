"""A small model of the usual family, written on the spot."""

from __future__ import annotations

import pytest

from tests.support.random_models import small_mobilenet


@pytest.fixture(scope="session")
def mobilenet() -> bytes:
    """A 24x24x1 MobileNet of a few layers, with random weights."""
    return small_mobilenet()
