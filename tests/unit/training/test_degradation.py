"""What ``evaluate --degrade`` does to pictures, and what it says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from vww_deploy.cli import build
from vww_deploy.training.degradation import DEGRADATIONS, Degraded, mean_loss

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def picture() -> Image.Image:
    """A bright square left of the middle on a dark ground."""
    pixels = np.full((96, 96, 3), 40, np.uint8)
    pixels[30:60, 20:50] = (140, 120, 100)
    return Image.fromarray(pixels)


def degraded(name: str, picture: Image.Image) -> np.ndarray:
    result = DEGRADATIONS[name](picture, np.random.default_rng(1))
    assert (result.size, result.mode) == (picture.size, "RGB")
    return np.asarray(result, np.float64)


def test_each_degradation_does_what_its_name_says(picture: Image.Image) -> None:
    clean = np.asarray(picture, np.float64)
    assert degraded("dark", picture).mean() == pytest.approx(0.35 * clean.mean(), rel=0.02)
    assert degraded("bright", picture).mean() == pytest.approx(1.7 * clean.mean(), rel=0.02)
    noise = degraded("noise", picture) - clean
    assert abs(noise.mean()) < 0.3 and noise.std() == pytest.approx(12.75, rel=0.05)
    for name in ("blur", "half resolution"):
        soft = degraded(name, picture)
        assert np.abs(np.diff(soft, axis=1)).max() < 0.8 * np.abs(np.diff(clean, axis=1)).max()
        assert soft.mean() == pytest.approx(clean.mean(), rel=0.02)
    turned = degraded("rotated by 10 degrees", picture)
    assert turned[48, 35] == pytest.approx(clean[48, 35], abs=5) and turned[0, 0] == pytest.approx([118] * 3, abs=1)
    assert 0 < np.abs(degraded("JPEG", picture) - clean).mean() < 10
    red, green, blue = degraded("colour cast", picture).mean(axis=(0, 1)) / clean.mean(axis=(0, 1))
    assert (red, green, blue) == pytest.approx((1.25, 1.0, 0.65), rel=0.02)


def test_the_mean_loss_is_against_clean_pictures() -> None:
    figures = tuple(Degraded(name, top1, 0, 0) for name, top1 in (("clean", 0.9), ("dark", 0.8), ("blur", 0.88)))
    assert mean_loss(figures) == pytest.approx(0.06)


def test_evaluate_reports_every_degradation(discs: Path) -> None:
    arguments = ["evaluate", str(REPOSITORY / "models" / "person_64_small.tflite"), str(discs), "--degrade"]
    done = CliRunner().invoke(build(), [*arguments, "--limit", "6", "--json"])
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)["degraded"]
    assert [one["name"] for one in figures] == ["clean", *DEGRADATIONS]
    done = CliRunner().invoke(build(), [*arguments, "--limit", "6"])
    assert "lost on average" in done.stdout and all(name in done.stdout for name in DEGRADATIONS)
