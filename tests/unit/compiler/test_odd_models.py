"""Some of the odd but legal models of which benchmarks/odd_models.py has 2,000."""

from __future__ import annotations

import pytest

from tests.support.batch_engine import engines
from tests.support.exactness import check
from tests.support.odd_models import odd_model
from vww_deploy.compiler import Compiled, compile_model
from vww_deploy.errors import ModelError


def compiled_or_refused(seed: int) -> Compiled | None:
    try:
        return compile_model(odd_model(seed), optimize="ram" if seed % 2 else "speed")
    except ModelError as error:
        assert "malformed" not in error.message
        return None


def test_odd_models_are_exact_or_refused() -> None:
    models = [found for seed in range(24) if (found := compiled_or_refused(seed)) is not None]
    assert len(models) > 15
    for model, engine in zip(models, engines(models), strict=True):
        try:
            check(model, 2, 1, engine)
        except ModelError as error:
            pytest.fail(error.message) if "ended itself" in error.message else None
