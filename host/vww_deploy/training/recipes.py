"""How the shipped models are trained: a recipe for each by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from vww_deploy.errors import DataError
from vww_deploy.files import write_whole
from vww_deploy.pictures.card import ModelCard
from vww_deploy.training.augment import Augmentation
from vww_deploy.training.datasets import read_dataset
from vww_deploy.training.limits import describe_limits
from vww_deploy.training.package import Packed
from vww_deploy.training.quantize import float_tflite
from vww_deploy.training.recipe import Recipe
from vww_deploy.training.run import Job, read_recipe, run
from vww_deploy.training.sources import quantise_source
from vww_deploy.training.train import WEIGHTS_FILE
from vww_deploy.training.weights import IMAGENET, load_network

IMAGENET_ORIGIN: Final = "keras.applications.MobileNet trained on ImageNet, released under the Apache License 2.0"
IMAGENET_WEIGHTS: Final = "imagenet"
VIEW_SIZE: Final = 96
"""Side in pixels of the views, which all recipes share."""
_WHOLE: Final = Augmentation(
    crop=(1.0, 1.0),
    aspect=0.0,
    paste=0.0,
    shift=0.08,
    rotate=6.0,
    degraded=0.35,
    exposure=0.25,
    blur=0.2,
    low_resolution=0.15,
    noise=0.04,
)
"""Whole pictures, moved and stretched a little: a narrow network learns less from crops (docs/training.md)."""
_COLOUR: Final = Recipe(
    channels=3,
    epochs=16,
    batch=128,
    learning_rate=1.6e-3,
    warmup_epochs=0.5,
    weight_decay=0.02,
    ema_decay=0.997,
    distillation_weight=0.5,
    distillation_weight_one_label=0.6,
    feature_loss=0.0,
    views=4,
    augmentation=_WHOLE,
)
_TAUGHT_TWICE: Final = replace(_COLOUR, distillation_weight=0.7, distillation_weight_one_label=0.75)
_PATIENT: Final = replace(
    _TAUGHT_TWICE,
    epochs=30,
    learning_rate=2e-3,
    warmup_epochs=1.0,
    weight_decay=0.03,
    ema_decay=0.998,
    views=2,
    augmentation=replace(_WHOLE, shift=0.1, rotate=8.0, cutout=0.1, mixup=0.15),
)
"""A long training under stronger augmentation (Beyer et al. 2022, "A good teacher is patient and consistent")."""


@dataclass(frozen=True)
class Stage:
    """One training on the way to a shipped model."""

    recipe: Recipe
    begins_from: str
    """:data:`IMAGENET_WEIGHTS`, or the stage whose weights it begins from."""
    also_learns_from: str = ""
    """The stage whose network is a teacher besides the given ones (Furlanello et al. 2018, born-again networks)."""


STAGES: Final = {
    "colour": Stage(_COLOUR, begins_from=IMAGENET_WEIGHTS),
    "person_96_rgb": Stage(_PATIENT, begins_from=IMAGENET_WEIGHTS, also_learns_from="colour"),
    "person_96_gray": Stage(
        replace(_TAUGHT_TWICE, channels=1, learning_rate=2e-3), begins_from="person_96_rgb", also_learns_from="colour"
    ),
    "person_64_small": Stage(
        replace(_TAUGHT_TWICE, depth_multiplier=0.125, size=64, learning_rate=3e-3),
        begins_from="person_96_rgb",
        also_learns_from="colour",
    ),
}
"""How the shipped models are made, one training after the other. Docs/training.md says how far each was run."""
SHIPPED: Final = tuple(name for name in STAGES if name.startswith("person_"))


def make_found(
    path: Path,
    job: Job,
    *,
    smoke: bool = False,
    on_epoch: Callable[[dict[str, float]], None] = lambda row: None,
    notice: Callable[[str], None] = lambda text: None,
    progress: Callable[[str], None] = lambda text: None,
) -> Packed:
    """Train a network that a search found once more by its recipe's file, to ``NAME.tflite`` and its card.

    Arguments are those of :func:`vww_deploy.training.run.run`; of the job's own recipe the seed holds.

    Raises:
        ModelError: the file is no recipe.
        DataError: the data cannot be used.
    """
    job = replace(job, recipe=replace(read_recipe(path), seed=job.recipe.seed))
    run(job, smoke=smoke, on_epoch=on_epoch, notice=notice, progress=progress)
    trained, name = _trained(job.folder, smoke), path.name.removesuffix(".json").removesuffix(".recipe")
    dataset = read_dataset(job.data, job.pictures)
    return quantise_source(trained, dataset, trained / f"{name}.tflite", progress=notice)


def make_shipped(
    name: str,
    data: Path,
    folder: Path,
    *,
    pictures: Path | None = None,
    teachers: tuple[Path, ...] = (),
    more: tuple[tuple[Path, float], ...] = (),
    initial: Path | None = None,
    seed: int = 1,
    smoke: bool = False,
    on_epoch: Callable[[dict[str, float]], None] = lambda row: None,
    notice: Callable[[str], None] = lambda text: None,
    progress: Callable[[str], None] = lambda text: None,
) -> Packed:
    """Make a shipped model anew, from the pictures to ``folder / "NAME.tflite"`` and its card.

    What it begins from is trained first; a run that was killed goes on where it stopped. With ``smoke`` all is written
    to folders called ``smoke``, the model to ``folder / NAME / "smoke"``. ``on_epoch``, ``notice`` and ``progress`` are
    those of :func:`vww_deploy.training.run.run`.

    Args:
        more: further sets of pictures to train on, as :class:`vww_deploy.training.run.Job` has them.
        initial: a file of Keras's ImageNet weights; by default Keras downloads it.

    Raises:
        DataError: no shipped model has this name, or the data cannot be used.
    """
    if name not in SHIPPED:
        raise DataError(f"no recipe is called {name}", hint=f"There are {', '.join(SHIPPED)}.")
    stages = _needed(name)
    weights = {IMAGENET_WEIGHTS: initial or IMAGENET}
    for number, stage in enumerate(stages, start=1):
        notice(f"training {number} of {len(stages)}: {stage}")
        recipe, another = replace(STAGES[stage].recipe, seed=seed), STAGES[stage].also_learns_from
        views = folder / (f"views_{another}" if another else "views")
        all_teachers = (*teachers, _as_teacher(folder / another, smoke)) if another else teachers
        begun = weights[STAGES[stage].begins_from]
        job = Job(data, folder / stage, recipe, pictures, all_teachers, views, begun, more, VIEW_SIZE)
        weights[stage] = run(job, smoke=smoke, on_epoch=on_epoch, notice=notice, progress=progress)
    trained = _trained(folder / name, smoke)
    dataset = read_dataset(data, pictures)
    output = (trained if smoke else folder) / f"{name}.tflite"
    packed = quantise_source(trained, dataset, output, splits=("val", "test"), fine_tune=not smoke, progress=notice)
    describe_limits(output, dataset, origin=IMAGENET_ORIGIN, progress=progress)
    return replace(packed, card=ModelCard.load(output.with_suffix(".json")))


def _needed(name: str) -> tuple[str, ...]:
    """The stages that lead to one, and it, in the order in which they are trained."""
    stage = STAGES[name]
    before = (one for one in (stage.begins_from, stage.also_learns_from) if one in STAGES)
    return tuple(dict.fromkeys((*(each for one in before for each in _needed(one)), name)))


def _trained(stage: Path, smoke: bool) -> Path:
    """Where :func:`run` leaves what it trains in the folder of a stage."""
    return stage / "smoke" if smoke else stage


def _as_teacher(stage: Path, smoke: bool) -> Path:
    """The network of a stage that is done, as a file that :class:`vww_deploy.training.teacher.Teacher` reads."""
    trained = _trained(stage, smoke)
    recipe, path = read_recipe(trained), trained / "teacher.tflite"
    if path.is_file():  # views are of this very file
        return path
    write_whole(path, float_tflite(load_network(recipe, trained / WEIGHTS_FILE), size=(recipe.size, recipe.size)))
    return path
