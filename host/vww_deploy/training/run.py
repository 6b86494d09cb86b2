"""A whole training from files: read the data, make the views, train."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from vww_deploy.errors import DataError, ModelError
from vww_deploy.graph.architecture import Architecture
from vww_deploy.training.augment import Augmentation
from vww_deploy.training.datasets import Dataset, PictureArrays, joined, load_arrays, read_dataset
from vww_deploy.training.recipe import Recipe
from vww_deploy.training.teacher import Ensemble, Teacher
from vww_deploy.training.train import train
from vww_deploy.training.views import ViewCache

_SMOKE_PICTURES = 192


@dataclass(frozen=True)
class Job:
    """What to train on, where to, and how."""

    data: Path
    folder: Path
    recipe: Recipe
    pictures: Path | None = None
    teachers: tuple[Path, ...] = ()
    """Networks to learn from, whose answers are averaged."""
    views_folder: Path | None = None
    initial: Path | None = None
    more: tuple[tuple[Path, float], ...] = ()
    """Further sets of pictures to train on, each with the part of them that an epoch shows, above 0 and at most 1."""
    view_size: int = 0
    """Side in pixels of the views; 0 is the largest that the recipe trains on. Trainings that share views share it."""


def run(
    job: Job,
    *,
    smoke: bool = False,
    on_epoch: Callable[[dict[str, float]], None] = lambda row: None,
    notice: Callable[[str], None] = lambda text: None,
    progress: Callable[[str], None] = lambda text: None,
) -> Path:
    """Train, or go on; returns the path of the averaged weights.

    Args:
        smoke: a run of a minute, to see whether all parts work. It has folders of its own, ``smoke/`` below those of
            the job, so that no real training goes on from it.
        on_epoch: called with each epoch's figures.
        notice: called with what is odd about the data.
        progress: called with words for what is being done, often.

    Raises:
        DataError: the data cannot be used, or another training is under way in the folder.
        ModelError: the teacher or the weights cannot be used.
    """
    dataset = read_dataset(job.data, job.pictures)
    if dataset.dropped:
        notice(f"{dataset.dropped} pictures are left out by the labelling rule")
    if dataset.missing:
        notice(f"{dataset.missing} pictures of {job.data} are not in {job.pictures}")
    for text in dataset.left_out:
        notice(f"left out: {text}")
    if dataset.held_out:
        notice(f"no split val: {dataset.held_out} pictures of train are taken for it")
    training, validation = dataset.split("train"), dataset.split("val")
    further = [(read_dataset(origin, needs_val=False).split("train"), share) for origin, share in job.more]
    if smoke:
        recipe = replace(job.recipe, epochs=2, batch=min(job.recipe.batch, 16), views=1)
        views_folder = job.views_folder / "smoke" if job.views_folder else None
        job = replace(job, folder=job.folder / "smoke", recipe=recipe, views_folder=views_folder)
        training, validation = _few(training), _few(validation)
        further = [(_few(one), share) for one, share in further]
    recipe = job.recipe
    size = max(job.view_size, recipe.size, recipe.early_size)
    with _alone(job.folder):
        side = picture_side(size)
        parts = [load_arrays(training, side, progress=progress)]
        parts += [load_arrays(one, side, share=share, progress=progress) for one, share in further]
        judged = load_arrays(validation, side, progress=progress)
        for part in (*parts, judged):
            _tell_unreadable(part, notice)
        arrays = joined(parts)
        folder = job.views_folder or job.folder / "views"
        teacher = Ensemble([Teacher(one) for one in job.teachers]) if job.teachers else None
        views = ViewCache(
            arrays, folder, teacher, size=size, seed=recipe.seed, augmentation=recipe.augmentation, progress=progress
        )
        return train(recipe, views, judged, job.folder, initial=job.initial, on_epoch=on_epoch, progress=progress)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other process trains in the folder meanwhile: the checkpoints of both would be mixed up."""
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(folder / "lock", blocking=False))
        except Timeout as error:
            raise DataError(
                f"another training is under way in {folder}", hint="Wait for it, or give this one another folder."
            ) from error
        except OSError as error:
            raise DataError(f"{folder} cannot be written: {error.strerror}") from error
        yield


def picture_side(size: int) -> int:
    """The side in pixels at which pictures are held in memory for a network of ``size``: a crop keeps some detail."""
    return max(128, 4 * size // 3)


def read_recipe(place: Path) -> Recipe:
    """The recipe that a training in a folder was begun with, or that a file holds.

    Raises:
        ModelError: there is none.
    """
    try:
        path = place / "recipe.json" if place.is_dir() else place
        values = json.loads(path.read_text(encoding="utf-8"))
        augmentation = values.pop("augmentation")
        if values.get("architecture") is not None:
            values["architecture"] = Architecture.from_json(values["architecture"])
        known = {field.name for field in fields(Recipe)}
        pairs: dict[str, Any] = {
            name: tuple(one) if isinstance(one, list) else one for name, one in augmentation.items()
        }
        return Recipe(augmentation=Augmentation(**pairs), **{k: v for k, v in values.items() if k in known})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{place} holds no training's recipe: {error}", hint="Give the folder that train wrote."
        ) from error


def _few(dataset: Dataset) -> Dataset:
    """Some pictures of both classes."""
    rng = np.random.default_rng(1)
    chosen = []
    for label in (0, 1):
        own = [picture for picture in dataset.pictures if picture.label == label]
        chosen += [own[i] for i in rng.permutation(len(own))[: _SMOKE_PICTURES // 2]]
    return Dataset(dataset.origin, tuple(chosen))


def _tell_unreadable(part: PictureArrays, notice: Callable[[str], None]) -> None:
    if part.unreadable:
        notice(f"{len(part.unreadable)} pictures are left out as unreadable, the first: {part.unreadable[0]}")
    if len(part.labels) < 2:
        raise DataError("too few pictures are left to train on")
