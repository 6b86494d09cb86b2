"""A whole training from files: read the data, make the views, train."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from vww_deploy.errors import DataError, ModelError
from vww_deploy.training.augment import Augmentation
from vww_deploy.training.datasets import Dataset, PictureArrays, load_arrays, read_dataset
from vww_deploy.training.teacher import Teacher
from vww_deploy.training.train import Recipe, train
from vww_deploy.training.views import ViewCache

_SMOKE_PICTURES = 192


@dataclass(frozen=True)
class Job:
    """What to train on, where to, and how."""

    data: Path
    folder: Path
    recipe: Recipe
    pictures: Path | None = None
    teacher: Path | None = None
    views_folder: Path | None = None
    initial: Path | None = None


def run(
    job: Job,
    *,
    smoke: bool = False,
    say: Callable[[dict[str, float]], None] = lambda row: None,
    note: Callable[[str], None] = lambda text: None,
) -> Path:
    """Train, or go on; returns the path of the averaged weights.

    Args:
        smoke: a run of a minute, to see whether all parts work.
        say: told each epoch's figures.
        note: told what is odd about the data.

    Raises:
        DataError: the data cannot be used.
        ModelError: the teacher or the weights cannot be used.
    """
    dataset = read_dataset(job.data, job.pictures)
    if dataset.dropped:
        note(f"{dataset.dropped} pictures are left out: persons too small to count, depictions, or missing files")
    recipe = job.recipe
    training, validation = dataset.split("train"), dataset.split("val")
    if smoke:
        recipe = replace(recipe, epochs=2, batch=min(recipe.batch, 16), views=1)
        training, validation = _few(training), _few(validation)
    arrays, judged = load_arrays(training), load_arrays(validation)
    for part in (arrays, judged):
        _tell_unreadable(part, note)
    folder = job.views_folder or job.folder / "views"
    teacher = Teacher(job.teacher) if job.teacher else None
    size = max(recipe.size, recipe.early_size)
    views = ViewCache(arrays, folder, teacher, size=size, seed=recipe.seed, augmentation=recipe.augmentation)
    return train(recipe, views, judged, job.folder, initial=job.initial, say=say)


def read_recipe(folder: Path) -> Recipe:
    """The recipe that a training in ``folder`` was begun with.

    Raises:
        ModelError: there is none.
    """
    try:
        values = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
        augmentation = values.pop("augmentation")
        known = {field.name for field in fields(Recipe)}
        pairs: dict[str, Any] = {
            name: tuple(one) if isinstance(one, list) else one for name, one in augmentation.items()
        }
        return Recipe(augmentation=Augmentation(**pairs), **{k: v for k, v in values.items() if k in known})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder} holds no training: {error}", hint="Give the folder that train wrote.") from error


def _few(dataset: Dataset) -> Dataset:
    """Some pictures of both classes."""
    rng = np.random.default_rng(1)
    chosen = []
    for label in (0, 1):
        own = [picture for picture in dataset.pictures if picture.label == label]
        chosen += [own[i] for i in rng.permutation(len(own))[: _SMOKE_PICTURES // 2]]
    return Dataset(dataset.origin, tuple(chosen))


def _tell_unreadable(part: PictureArrays, note: Callable[[str], None]) -> None:
    if part.unreadable:
        note(f"{len(part.unreadable)} pictures are left out as unreadable, the first: {part.unreadable[0]}")
    if len(part.labels) < 2:
        raise DataError("too few pictures are left to train on")
