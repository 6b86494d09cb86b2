"""How the shipped models are trained: each by name, with what it begins from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from vww_deploy.errors import DataError
from vww_deploy.training.augment import Augmentation
from vww_deploy.training.datasets import SPLITS, read_dataset
from vww_deploy.training.package import Packed
from vww_deploy.training.run import Job, run
from vww_deploy.training.sources import quantise_source
from vww_deploy.training.train import Recipe


@dataclass(frozen=True)
class Stage:
    """One training on the way to a shipped model."""

    recipe: Recipe
    begins_from: str | None = None
    """The stage whose weights it begins from; random ones without."""
    views: str = "views"
    """The folder of its views; stages with the same crops share one."""


_FIRST: Final = Recipe(epochs=160, early_size=80, early_part=0.9, views=30, hard=0.35, weight_decay=0.03)
_ONWARDS: Final = replace(_FIRST, early_part=0.85, warmup_epochs=0.3)
_AGAIN: Final = replace(
    _ONWARDS,
    epochs=100,
    batch=128,
    learning_rate=2.5e-3,
    weight_decay=0.02,
    averaging=0.997,
    hard=0.3,
    views=16,
    early_part=1.0,
)
_AVERAGED: Final = replace(
    _AGAIN,
    epochs=75,
    learning_rate=1.3e-3,
    weight_decay=0.03,
    averaging=0.9993,
    hard=0.25,
    gray_word=0.5,
    inner=1.5,
    views=18,
    augmentation=Augmentation(crop=(0.7, 1.2), paste=0.2, nudge=0.06, hide=0.15, blend=0.4),
)
"""No picture is seen twice in the same way, and the weights are a mean over ten epochs: what the network would learn by
heart in any one of them is not in the mean."""

STAGES: Final = {
    "first_gray": Stage(_FIRST),
    "person_96_rgb": Stage(
        replace(_ONWARDS, channels=3, epochs=33, learning_rate=2e-3, inner=2.5), begins_from="first_gray"
    ),
    "gray_again": Stage(_AGAIN, begins_from="person_96_rgb"),
    "person_96_gray": Stage(_AVERAGED, begins_from="gray_again", views="other-views"),
    "person_64_small": Stage(
        replace(
            _AVERAGED,
            depth_multiplier=0.125,
            size=64,
            channels=3,
            epochs=60,
            learning_rate=3e-3,
            weight_decay=0.02,
            averaging=0.998,
            hard=0.3,
            early_size=0,
            augmentation=replace(_AVERAGED.augmentation, hide=0.1, blend=0.0),
        ),
        begins_from="person_96_rgb",
        views="small-views",
    ),
}
SHIPPED: Final = ("person_96_gray", "person_96_rgb", "person_64_small")


def make_shipped(
    name: str,
    data: Path,
    folder: Path,
    *,
    pictures: Path | None = None,
    teacher: Path | None = None,
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

    Raises:
        DataError: no shipped model has this name, or the data cannot be used.
    """
    if name not in SHIPPED:
        raise DataError(f"no recipe is called {name}", hint=f"There are {', '.join(SHIPPED)}.")
    stages = [name]
    while (before := STAGES[stages[0]].begins_from) is not None:
        stages.insert(0, before)
    weights = None
    for number, stage in enumerate(stages, start=1):
        note(f"training {number} of {len(stages)}: {stage}")
        how = STAGES[stage]
        job = Job(data, folder / stage, replace(how.recipe, seed=seed), pictures, teacher, folder / how.views, weights)
        weights = run(job, smoke=smoke, say=say, note=note, step=step)
    trained = folder / name / "smoke" if smoke else folder / name
    return quantise_source(
        trained,
        read_dataset(data, pictures),
        (trained if smoke else folder) / f"{name}.tflite",
        splits=SPLITS,
        fine_tune=not smoke,
        say=note,
    )
