"""What a shipped model's card says beyond its accuracy: what it is not for, with figures, and whose work is in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from vww_deploy.graph.model import Model
from vww_deploy.training.datasets import Dataset
from vww_deploy.training.degradation import degraded_accuracy, mean_loss
from vww_deploy.training.evaluate import Evaluation, answer_all, evaluate, reference_probability

LICENCES: Final = {
    "model": "MIT, as the project",
    "teacher": "MCUNet for Visual Wake Words (mit-han-lab/tinyengine), MIT",
    "pictures": "public research sets (COCO, Flickr8k, VOC, ADE20K, ImageNet subsets and others), whose terms are for "
    "research; no picture is part of the model or of this project",
}
_NOT_FOR: Final = (
    "decisions about people's safety, access, work or rights, or telling who somebody is",
    "counting: it says whether there is a person, not how many",
    "infrared, fisheye and overhead cameras, and drawings, statues or screens that show persons: none were learned",
    "claims about ages, skin tones or wheelchair users: the pictures are not labelled by them, so nothing was measured",
    "lying, crouching and half-hidden persons: the pictures are not labelled by pose, so nothing was measured",
)
_POOR: Final = 0.8


def describe_limits(
    path: Path, dataset: Dataset, *, origin: str, progress: Callable[[str], None] = lambda text: None
) -> None:
    """Add to a model's card how it does by person size, brightness and degradation on ``test``, and its limits.

    Args:
        origin: whose weights the training began from, and their licence.
        path: the int8 ``.tflite``; its card lies beside it and is written anew.

    Raises:
        DataError: the pictures cannot be read, or the card not be written.
    """
    model, test = Model.load(str(path)), dataset.split("test")
    probability, done = reference_probability(model), 0

    def tick() -> None:
        nonlocal done
        done += 1
        progress(f"measuring limits: picture {done} of {10 * len(test.pictures)}")

    answers, _ = answer_all(model, test, probability, tick)
    result = evaluate(model, test, answers, split="test", ran_on="the reference")
    degraded = degraded_accuracy(model, test, probability, tick)
    details: dict[str, Any] = {
        **model.card.details,
        "calibration_error": round(result.calibration_error, 4),
        "by_person_size": [_rounded(asdict(one)) for one in result.by_person_size],
        "by_brightness": [_rounded(asdict(one)) for one in result.by_brightness],
        "degraded": [_rounded(asdict(one)) for one in degraded],
        "degraded_mean_loss": round(mean_loss(degraded), 4),
        "not_for": [*_poor_at(result), *_NOT_FOR],
        "licences": {"initial_weights": origin, **LICENCES},
    }
    replace(model.card, details=details).save(path.with_suffix(".json"))


def _poor_at(result: Evaluation) -> list[str]:
    """Groups of pictures that it fails on, in words."""
    sizes = [
        f"persons whose box covers {one.name} of the picture: {one.top1:.0%} of {one.pictures} found"
        for one in result.by_person_size
        if one.top1 < _POOR
    ]
    lights = [
        f"pictures of {one.name}: {one.top1:.0%} of {one.pictures} right"
        for one in result.by_brightness
        if one.top1 < _POOR
    ]
    return [*sizes, *lights]


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()}
