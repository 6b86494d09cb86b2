"""What a training sees: an epoch's batches of pictures, of what is to be learned of them, and of their weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from vww_deploy.training.augment import any_luma, degrade, mixup, resize_colour, shift, to_student
from vww_deploy.training.datasets import PictureArrays
from vww_deploy.training.mobilenet import require_tensorflow
from vww_deploy.training.recipe import Recipe
from vww_deploy.training.views import View, ViewCache


def epoch_batches(recipe: Recipe, views: ViewCache, epoch: int, size: int) -> Iterator[Any]:
    """One epoch's batches: pictures float32 ``[N, size, size, channels]``, P(person) ``[N]``, weights ``[N]``, maps."""
    tf = require_tensorflow()
    view = views.get(epoch % recipe.views)
    if epoch + 1 < recipe.epochs:
        views.prepare((epoch + 1) % recipe.views)
    target, weight = targets(recipe, views.training, view), class_weights(views.training.labels[view.rows])
    rng = np.random.default_rng((recipe.seed, epoch))
    steps = len(target) // recipe.batch
    order = rng.permutation(len(target))[: steps * recipe.batch].reshape(steps, recipe.batch)
    flips = rng.random(len(target)) < 0.5
    degraded = round(recipe.augmentation.degraded * recipe.batch)
    arrays: list[npt.NDArray[Any]] = [view.pictures, *(standardised(one) for one in view.maps if recipe.feature_loss)]
    shapes = [one.shape[1:] for one in arrays]
    del view

    def rows_of(rows: Any) -> Any:
        mirrored = []
        for one in arrays:
            chosen = one[rows]
            chosen[flips[rows]] = chosen[flips[rows], :, ::-1]
            mirrored.append(chosen)
        return mirrored[0], target[rows], weight[rows], *mirrored[1:]

    def load(index: Any, rows: Any) -> Any:
        kinds = [tf.uint8, tf.float32, tf.float32, *[tf.float16] * (len(shapes) - 1)]
        x, y, w, *maps = tf.numpy_function(rows_of, [rows], kinds)
        y.set_shape([recipe.batch])
        w.set_shape([recipe.batch])
        for one, shape in zip((x, *maps), shapes, strict=True):
            one.set_shape([recipe.batch, *shape])
        seed = tf.stack([tf.constant((recipe.seed * 100003 + epoch) % 2**31, tf.int32), tf.cast(index, tf.int32)])
        x = tf.cast(x, tf.float32)
        if recipe.channels == 1:
            x = any_luma(x, seed, recipe.augmentation)
        if recipe.augmentation.shift or recipe.augmentation.rotate:
            x = shift(x, seed, recipe.augmentation)
        x = resize_colour(x, size, recipe.channels)
        # The pictures of a batch are in random order, so its first part is as good as any.
        x = tf.concat([degrade(x[:degraded], seed, recipe.augmentation), x[degraded:]], axis=0)
        x = to_student(x, size, recipe.channels)
        if recipe.augmentation.mixup:
            x, y, *maps = mixup([x, y, *maps], seed, recipe.augmentation)
        return x, y, w, tuple(maps)

    try:
        yield from tf.data.Dataset.from_tensor_slices(order).enumerate().map(load, num_parallel_calls=2).prefetch(4)
    finally:
        # TensorFlow keeps every function that it was given until the process ends, and so all that one refers to:
        # half a gigabyte an epoch.
        arrays.clear()


def targets(recipe: Recipe, training: PictureArrays, view: View) -> npt.NDArray[np.float32]:
    """P(person) to learn of each picture of a view, ``[N]``: its label, mixed with a teacher's answer if there is one.

    Of a picture whose label was made by a machine a teacher's answer alone is learned, if need be the one that its data
    set came with.
    """
    labels, scores = training.labels[view.rows].astype(np.float32), training.teacher_score[view.rows]
    soft_label = np.where(np.isnan(scores), labels, scores)
    if view.teacher is None or view.teacher_gray is None:
        return soft_label.astype(np.float32)
    one_label = training.one_label_source[view.rows]
    share = np.where(one_label, recipe.distillation_weight_one_label, recipe.distillation_weight)
    share = np.where(view.label_holds & np.isnan(scores), share, 1.0)
    logits = view.teacher
    if recipe.channels == 1:
        logits = (1.0 - recipe.gray_weight) * logits + recipe.gray_weight * view.teacher_gray
    soft = 1.0 / (1.0 + np.exp(-logits / recipe.temperature))
    mixed: npt.NDArray[np.float32] = (share * soft + (1.0 - share) * labels).astype(np.float32)
    return mixed


def class_weights(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """A weight for each picture, ``[N]``, by which both classes count the same; their mean is 1."""
    persons = np.count_nonzero(labels)
    by_class = len(labels) / (2.0 * np.array([len(labels) - persons, persons]))
    return by_class[labels].astype(np.float32)


def standardised(maps: npt.NDArray[np.float16]) -> npt.NDArray[np.float16]:
    """Maps with mean 0 and variance 1 in every channel, so that none outweighs the others."""
    sample = maps[:: max(1, len(maps) // 2000)].astype(np.float32)
    mean, deviation = sample.mean(axis=(0, 1, 2)), sample.std(axis=(0, 1, 2)) + 1e-3
    standard: npt.NDArray[np.float16] = (maps - mean.astype(np.float16)) / deviation.astype(np.float16)
    return standard
