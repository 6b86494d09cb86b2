"""A shipped model fine-tuned on a few hundred pictures of its user's own.

What protects it from forgetting what it knew: only its last layers learn, at a low rate; it keeps learning what it said
itself of the same pictures; and of all epochs, the untrained network included, the one that does best on pictures that
were not learned from is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from vww_deploy import resources
from vww_deploy.errors import DataError, ModelError
from vww_deploy.graph.model import Model
from vww_deploy.pictures.card import InputSpec
from vww_deploy.training.augment import Augmentation, any_luma, degrade, random_views, shift, to_student
from vww_deploy.training.batches import class_weights
from vww_deploy.training.datasets import Dataset, LabelledPicture, PictureArrays, load_arrays, read_dataset
from vww_deploy.training.mobilenet import build_mobilenet_v1, require_tensorflow
from vww_deploy.training.package import Figures, describe_data, figures, pack, pixels_of, predict_reference
from vww_deploy.training.recipes import STAGES
from vww_deploy.training.train import predict
from vww_deploy.training.weights import adopt_weights, save_weights

_FROZEN_BEFORE: Final = (
    "dw11"  # the layers from here on learn: half of the weights, and what is said about whole objects
)
_RATE: Final = 5e-4
_EPOCHS: Final = 30
_PATIENCE: Final = 8
_BATCH: Final = 32
_OWN_ANSWER: Final = 0.3
"""Weight of what the shipped model itself says of a picture against the picture's label (Li and Hoiem 2016)."""
_FEWEST: Final = 20
_AUGMENTATION: Final = Augmentation(
    crop=(0.75, 1.1), paste=0.0, shift=0.04, rotate=6.0, exposure=0.2, label_holds_from=0.0
)


@dataclass(frozen=True)
class FineTuned:
    """A shipped model that was fine-tuned (``--from``); figures are int8's on the pictures held back."""

    path: Path | None
    """The int8 model; None if it is no better than the shipped one."""
    before: Figures
    after: Figures
    learned: int
    """Pictures that were learned from."""
    epochs: int
    """Epochs after which the network was best on the pictures that decided; 0 is the shipped one."""


def fine_tune_shipped(
    name: str,
    data: Path,
    folder: Path,
    *,
    pictures: Path | None = None,
    seed: int = 1,
    notice: Callable[[str], None] = lambda text: None,
    progress: Callable[[str], None] = lambda text: None,
) -> FineTuned:
    """Fine-tune the shipped model ``name`` and write ``folder / "NAME_own.tflite"``, its card and its float weights.

    Args:
        data: pictures of both classes; splits that they may have are not looked at, see :func:`deal`.
        pictures: the folder of pictures that COCO JSON or a Wake Vision CSV speaks of.
        notice: called with what is odd about the data.
        progress: called with words for what is being done, often.

    Raises:
        DataError: the pictures cannot be used, or are too few.
        ModelError: no shipped model has this name.
    """
    if name not in STAGES:
        raise ModelError(f"no shipped model is called {name}", hint=f"There are {', '.join(STAGES)}.")
    tf = require_tensorflow()
    tf.keras.utils.set_random_seed(seed)
    recipe = STAGES[name].recipe
    dataset = deal(read_dataset(data, pictures))
    learned, decides = (load_arrays(dataset.split(split), progress=progress) for split in ("train", "val"))
    for text in (*learned.unreadable, *decides.unreadable):
        notice(text)
    model = build_mobilenet_v1(recipe.depth_multiplier, (recipe.size, recipe.size, recipe.channels))
    adopt_weights(model, resources.models_dir() / "float" / f"{name}.weights.h5")
    epochs = _learn(model, learned, decides, recipe.size, recipe.channels, seed, progress)
    shipped = Model.load(name)
    spec = InputSpec(recipe.size, recipe.size, recipe.channels)
    held_back, labels = pixels_of(dataset.split("test"), spec)
    before = figures(predict_reference(shipped.path.read_bytes(), spec, held_back), labels)
    path = folder / f"{name}_own.tflite"
    if not epochs:
        return FineTuned(None, before, before, len(learned.labels), 0)
    progress("quantising")
    description = f"{shipped.card.description}, fine-tuned on {data.name}"
    about = {"data": describe_data(dataset), "fine_tuned_from": name, "fine_tuned_from_sha256": shipped.sha256}
    packed = pack(
        model, dataset, path, splits=("val", "test"), seed=seed, description=description, about=about, progress=progress
    )
    after = packed.int8_figures["test"]
    if after.top1 < before.top1:
        for file in (path, path.with_suffix(".json")):
            file.unlink(missing_ok=True)
        return FineTuned(None, before, after, len(learned.labels), epochs)
    save_weights(model, path.with_suffix(".weights.h5"))
    return FineTuned(path, before, after, len(learned.labels), epochs)


def deal(dataset: Dataset) -> Dataset:
    """The set with new splits: of each class the last fifth is ``test``, the tenth before it ``val``.

    The order is that of a labels CSV's lines, in which ``collect`` took the pictures, or of the files' names. Pictures
    that a camera took one after the other look alike: dealt at random, those held back would be near copies of those
    learned from, and the gain would look larger than it is.

    Raises:
        DataError: a class has fewer than 20 pictures.
    """
    dealt: list[LabelledPicture] = []
    for label, kind in ((0, "without a person"), (1, "with a person")):
        own = [one for one in dataset.pictures if one.label == label]
        if len(own) < _FEWEST:
            raise DataError(
                f"{dataset.origin} has {len(own)} pictures {kind}",
                hint=f"Fine-tuning takes at least {_FEWEST} of each class, better a hundred: vww-deploy collect.",
            )
        test, val = len(own) * 4 // 5, len(own) * 7 // 10
        dealt += [
            replace(one, split="train" if at < val else "val" if at < test else "test") for at, one in enumerate(own)
        ]
    return replace(dataset, pictures=tuple(dealt), held_out=0)


def _learn(
    model: Any,
    learned: PictureArrays,
    decides: PictureArrays,
    size: int,
    channels: int,
    seed: int,
    progress: Callable[[str], None],
) -> int:
    """Train the last layers of a network in place; returns the epochs after which it was best, 0 if never."""
    tf = require_tensorflow()
    original = tf.keras.models.clone_model(model)
    original.set_weights(model.get_weights())
    names = [layer.name for layer in model.layers]
    for layer in model.layers[: names.index(_FROZEN_BEFORE)]:
        layer.trainable = False
    optimizer = tf.keras.optimizers.AdamW(_RATE, weight_decay=0.0)
    optimizer.build(model.trainable_variables)

    @tf.function  # type: ignore[untyped-decorator]
    def learn(x: Any, y: Any, weight: Any) -> None:
        target = (1.0 - _OWN_ANSWER) * y + _OWN_ANSWER * original(x, training=False)[:, 1]
        with tf.GradientTape() as tape:
            out = model(x, training=False)  # the statistics of normalisation stay those of many pictures
            loss = tf.reduce_mean(weight * tf.keras.losses.binary_crossentropy(target[:, None], out[:, 1:]))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    best, best_epoch, kept = _judge(model, decides, size, channels), 0, model.get_weights()
    for epoch in range(1, _EPOCHS + 1):
        progress(f"fine-tuning: epoch {epoch} of at most {_EPOCHS}")
        optimizer.learning_rate.assign(_RATE * 0.5 * (1 + np.cos(np.pi * (epoch - 1) / _EPOCHS)))
        for batch in _batches(learned, size, channels, (seed, epoch)):
            learn(*batch)
        loss = _judge(model, decides, size, channels)
        if loss < best:
            best, best_epoch, kept = loss, epoch, model.get_weights()
        elif epoch - best_epoch >= _PATIENCE:
            break
    model.set_weights(kept)
    return best_epoch


def _batches(learned: PictureArrays, size: int, channels: int, seed: tuple[int, int]) -> Iterator[Any]:
    """An epoch of pictures as the network sees them, their labels and weights."""
    tf = require_tensorflow()
    rng = np.random.default_rng(seed)
    weights = class_weights(learned.labels)
    order = rng.permutation(len(learned.labels))
    for start in range(0, len(order), _BATCH):
        rows = order[start : start + _BATCH]
        own = tf.constant([seed[0] * 1009 + seed[1], start], tf.int32)
        x, _ = random_views(tf.constant(learned.pictures[rows]), size, own, _AUGMENTATION)
        if rng.random() < 0.5:
            x = x[:, :, ::-1]
        if channels == 1:
            x = any_luma(x, own, _AUGMENTATION)
        x = degrade(shift(x, own, _AUGMENTATION), own, _AUGMENTATION)
        yield (
            to_student(x, size, channels),
            *(tf.constant(one[rows].astype(np.float32)) for one in (learned.labels, weights)),
        )


def _judge(model: Any, decides: PictureArrays, size: int, channels: int) -> float:
    """The mean negative log likelihood of labels, both classes counting the same: smoother than accuracy on few."""
    person = np.clip(predict(model, decides.pictures, size, channels).astype(np.float64), 1e-6, 1 - 1e-6)
    predicted: npt.NDArray[np.float64] = np.where(decides.labels == 1, person, 1.0 - person)
    return float(np.mean(-np.log(predicted) * class_weights(decides.labels)))
