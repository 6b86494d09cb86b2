"""How the shipped models are trained: a recipe for each by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from vww_deploy import resources
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

VIEW_SIZE: Final = 96
"""Side in pixels of the views, which all recipes share."""
_COLOUR: Final = Recipe(
    channels=3,
    epochs=5,
    batch=128,
    learning_rate=1e-3,
    warmup_epochs=0.5,
    weight_decay=0.02,
    ema_decay=0.997,
    feature_loss=0.0,
    views=4,
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
RECIPES: Final = {
    "person_96_gray": replace(_COLOUR, channels=1, epochs=6),
    "person_96_rgb": _COLOUR,
    "person_64_small": replace(_COLOUR, depth_multiplier=0.125, size=64, epochs=8),
}
"""They go on from the weights that were shipped before, :func:`earlier_weights`, with more pictures and harder ones."""


def earlier_weights(name: str) -> Path:
    """The float weights of the shipped model before today's, which its recipe begins from."""
    return resources.models_dir() / "float" / "earlier" / f"{name}.weights.h5"


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

    A run that was killed goes on where it stopped. With ``smoke`` all is written to folders called ``smoke``, the model
    to ``folder / NAME / "smoke"``. ``say``, ``note`` and ``step`` are those of :func:`vww_deploy.training.run.run`.

    Args:
        more: further sets of pictures to train on, as :class:`vww_deploy.training.run.Job` has them.
        initial: weights to begin from instead of :func:`earlier_weights`.

    Raises:
        DataError: no shipped model has this name, or the data cannot be used.
    """
    if name not in RECIPES:
        raise DataError(f"no recipe is called {name}", hint=f"There are {', '.join(RECIPES)}.")
    recipe = replace(RECIPES[name], seed=seed)
    begin = initial or earlier_weights(name)
    job = Job(data, folder / name, recipe, pictures, teacher, folder / "views", begin, more, VIEW_SIZE)
    run(job, smoke=smoke, say=say, note=note, step=step)
    trained = folder / name / "smoke" if smoke else folder / name
    dataset = read_dataset(data, pictures)
    output = (trained if smoke else folder) / f"{name}.tflite"
    packed = quantise_source(trained, dataset, output, splits=("val", "test"), fine_tune=not smoke, say=note)
    describe_limits(output, dataset, origin=_origin(begin), step=step)
    return replace(packed, card=ModelCard.load(output.with_suffix(".json")))


def _origin(weights: Path) -> str:
    """Whose weights a training began from, for the card."""
    if weights == IMAGENET:
        return "keras.applications.MobileNet trained on ImageNet, released under the Apache License 2.0"
    own = resources.models_dir() / "float"
    return "this project's own, trained from random weights; MIT" if own in weights.parents else weights.name
