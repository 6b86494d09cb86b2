"""How the shipped models are trained: a recipe for each by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from vww_deploy.errors import DataError
from vww_deploy.pictures.card import ModelCard
from vww_deploy.training.augment import Augmentation
from vww_deploy.training.datasets import read_dataset
from vww_deploy.training.limits import describe_limits
from vww_deploy.training.package import Packed
from vww_deploy.training.recipe import Recipe
from vww_deploy.training.run import Job, run
from vww_deploy.training.sources import quantise_source
from vww_deploy.training.weights import IMAGENET

IMAGENET_ORIGIN: Final = "keras.applications.MobileNet trained on ImageNet, released under the Apache License 2.0"
VIEW_SIZE: Final = 96
"""Side in pixels of the views, which all recipes share."""
_COLOUR: Final = Recipe(
    channels=3,
    epochs=40,
    batch=128,
    learning_rate=2e-3,
    weight_decay=0.03,
    distillation_weight=0.6,
    feature_loss=1.0,
    views=4,
    early_size=64,
    early_part=0.3,
    augmentation=Augmentation(
        crop=(0.65, 1.15),
        paste=0.2,
        shift=0.05,
        rotate=10.0,
        cutout=0.05,
        exposure=0.25,
        blur=0.2,
        low_resolution=0.15,
        noise=0.04,
    ),
)


@dataclass(frozen=True)
class Stage:
    """One training on the way to a shipped model."""

    recipe: Recipe
    begins_from: str
    """``imagenet``, or the stage whose weights it begins from."""


STAGES: Final = {
    "person_96_rgb": Stage(_COLOUR, begins_from="imagenet"),
    "person_96_gray": Stage(
        replace(_COLOUR, channels=1, epochs=30, learning_rate=1.5e-3, early_part=0.2), begins_from="person_96_rgb"
    ),
    "person_64_small": Stage(
        replace(
            _COLOUR,
            depth_multiplier=0.125,
            size=64,
            epochs=40,
            learning_rate=3e-3,
            weight_decay=0.02,
            early_size=0,
        ),
        begins_from="person_96_rgb",
    ),
}
"""What is to make the next shipped models. The schedules are a plan: today's models were made before there was one that
began from ImageNet, and docs/training.md says how far it was run."""


def make_shipped(
    name: str,
    data: Path,
    folder: Path,
    *,
    pictures: Path | None = None,
    teacher: Path | None = None,
    more: tuple[tuple[Path, float], ...] = (),
    initial: Path | None = None,
    seed: int = 1,
    smoke: bool = False,
    say: Callable[[dict[str, float]], None] = lambda row: None,
    note: Callable[[str], None] = lambda text: None,
    step: Callable[[str], None] = lambda text: None,
) -> Packed:
    """Make a shipped model anew, from the pictures to ``folder / "NAME.tflite"`` and its card.

    What it begins from is trained first; a run that was killed goes on where it stopped. With ``smoke`` all is written
    to folders called ``smoke``, the model to ``folder / NAME / "smoke"``. ``say``, ``note`` and ``step`` are those of
    :func:`vww_deploy.training.run.run`.

    Args:
        more: further sets of pictures to train on, as :class:`vww_deploy.training.run.Job` has them.
        initial: a file of Keras's ImageNet weights; by default Keras downloads it.

    Raises:
        DataError: no shipped model has this name, or the data cannot be used.
    """
    if name not in STAGES:
        raise DataError(f"no recipe is called {name}", hint=f"There are {', '.join(STAGES)}.")
    stages = [name]
    while (before := STAGES[stages[0]].begins_from) in STAGES:
        stages.insert(0, before)
    weights = initial or IMAGENET
    for number, stage in enumerate(stages, start=1):
        note(f"training {number} of {len(stages)}: {stage}")
        recipe = replace(STAGES[stage].recipe, seed=seed)
        job = Job(data, folder / stage, recipe, pictures, teacher, folder / "views", weights, more, VIEW_SIZE)
        weights = run(job, smoke=smoke, say=say, note=note, step=step)
    trained = folder / name / "smoke" if smoke else folder / name
    dataset = read_dataset(data, pictures)
    output = (trained if smoke else folder) / f"{name}.tflite"
    packed = quantise_source(trained, dataset, output, splits=("val", "test"), fine_tune=not smoke, say=note)
    describe_limits(output, dataset, origin=IMAGENET_ORIGIN, step=step)
    return replace(packed, card=ModelCard.load(output.with_suffix(".json")))
