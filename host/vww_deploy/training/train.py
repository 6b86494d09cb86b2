"""Training of MobileNet v1 with distillation, augmentation, weight averaging and checkpoints that survive a kill."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from vww_deploy.errors import DataError
from vww_deploy.files import write_whole
from vww_deploy.training import metrics
from vww_deploy.training.augment import to_student
from vww_deploy.training.batches import epoch_batches
from vww_deploy.training.datasets import PictureArrays
from vww_deploy.training.mobilenet import require_tensorflow
from vww_deploy.training.recipe import Recipe
from vww_deploy.training.student import Student
from vww_deploy.training.views import ViewCache, drawn
from vww_deploy.training.weights import save_weights

WEIGHTS_FILE: Final = "averaged.weights.h5"
_STATISTICS_BATCHES: Final = 16


def train(
    recipe: Recipe,
    views: ViewCache,
    validation: PictureArrays,
    folder: Path,
    *,
    initial: Path | None = None,
    on_epoch: Callable[[dict[str, float]], None] = lambda row: None,
    progress: Callable[[str], None] = lambda text: None,
) -> Path:
    """Train, or go on where a killed training in ``folder`` stopped; returns the path of the averaged weights.

    ``folder`` gets ``recipe.json``, ``log.csv``, ``tensorboard/``, ``checkpoint/`` and, after each epoch, the averaged
    weights. All are written whole or not at all, and an epoch counts as done only when all are there, so a kill or a
    full disk costs at most the epoch it fell into.

    Args:
        views: of the training pictures.
        validation: pictures that the averaged weights are judged by after each epoch.
        initial: weights (of any channel count) to begin from instead of random ones.
        on_epoch: called with each epoch's row of the log.
        progress: called with words for what is being done, often.

    Raises:
        DataError: fewer pictures than a batch, or the folder cannot be written.
        ModelError: the folder or ``initial`` holds another network or damaged files, or the loss is not finite.
    """
    tf = require_tensorflow()
    tf.keras.utils.set_random_seed(recipe.seed)
    shown = len(drawn(views.training.share, 0, recipe.seed))
    steps = shown // recipe.batch
    if steps == 0:
        raise DataError(
            f"{shown} training pictures are fewer than a batch of {recipe.batch}",
            hint="Use more pictures or a smaller --batch.",
        )
    student = Student(recipe, views, initial)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        student.restore(folder / "checkpoint")
        write_whole(folder / "recipe.json", json.dumps(asdict(recipe), indent=2).encode() + b"\n")
        if student.epochs_done and not (folder / WEIGHTS_FILE).exists():
            save_weights(student.averaged, folder / WEIGHTS_FILE)
        writer = tf.summary.create_file_writer(str(folder / "tensorboard"))
        for epoch in range(student.epochs_done, recipe.epochs):
            started = time.monotonic()
            early = recipe.early_size and epoch < recipe.early_part * recipe.epochs
            size = recipe.early_size if early else recipe.size
            losses, recent = [], deque[Any](maxlen=_STATISTICS_BATCHES)
            for at, batch in enumerate(epoch_batches(recipe, views, epoch, size), start=epoch * steps):
                rate, decay = _rate(recipe, at, steps), _decay(recipe, at)
                losses.append(student.learn(batch, rate, decay, epoch))
                recent.append(batch[0])
                progress(f"epoch {epoch + 1} of {recipe.epochs}: step {len(losses)} of {steps}")
            loss, feature_loss = (float(one) for one in np.mean(losses, axis=0))
            student.check_finite(epoch, loss)
            student.measure_statistics(recent)
            row = {
                "epoch": epoch + 1,
                "size": size,
                "loss": round(loss, 5),
                "feature_loss": round(feature_loss, 5),
                "learning_rate": round(_rate(recipe, (epoch + 1) * steps - 1, steps), 7),
                **_judge(student.averaged, validation, recipe),
                "seconds": round(time.monotonic() - started, 1),
            }
            save_weights(student.averaged, folder / WEIGHTS_FILE)
            _log(folder / "log.csv", row)
            with writer.as_default(step=epoch + 1):
                for name, value in row.items():
                    tf.summary.scalar(name, value)
            writer.flush()
            student.save(folder / "checkpoint")  # last: it is what counts the epoch as done
            on_epoch(row)
    except (OSError, tf.errors.ResourceExhaustedError) as error:
        raise DataError(
            f"{folder} cannot be written: {_reason(error)}",
            hint="Free some disk space; the same command then goes on from the last whole epoch.",
        ) from error
    return folder / WEIGHTS_FILE


def _reason(error: Exception) -> str:
    """What the system said; TensorFlow puts the operation and a file before it."""
    text = getattr(error, "strerror", None) or str(error)
    return "No space left on device" if "No space left on device" in text else text


def _rate(recipe: Recipe, at: int, steps: int) -> float:
    """The learning rate at a step: a linear warm-up, then a cosine."""
    warmup = recipe.warmup_epochs * steps
    if at < warmup:
        return recipe.learning_rate * (at + 1) / warmup
    progress = (at - warmup) / max(1.0, recipe.epochs * steps - warmup)
    return float(recipe.learning_rate * (0.5 * (1 + np.cos(np.pi * min(1.0, progress))) * 0.995 + 0.005))


def _decay(recipe: Recipe, at: int) -> float:
    """Of the moving average at a step: what the network was at the very beginning is soon forgotten."""
    return min(recipe.ema_decay, (1 + at) / (10 + at))


def predict(
    model: Any, pictures: npt.NDArray[np.uint8], size: int, channels: int, *, batch: int = 256
) -> npt.NDArray[np.float32]:
    """P(person), float32 ``[N]``, by a Keras model on uint8 ``[N, h, w, 3]``."""
    tf = require_tensorflow()
    parts = [
        model(to_student(tf.cast(pictures[i : i + batch], tf.float32), size, channels), training=False)[:, 1].numpy()
        for i in range(0, len(pictures), batch)
    ]
    return np.concatenate(parts)


def _judge(model: Any, validation: PictureArrays, recipe: Recipe) -> dict[str, float]:
    person = predict(model, validation.pictures, recipe.size, recipe.channels)
    right = (person >= 0.5) == (validation.labels == 1)
    return {
        "val_accuracy": round(float(right.mean()), 5),
        "val_person": round(float(right[validation.labels == 1].mean()), 5),
        "val_no_person": round(float(right[validation.labels == 0].mean()), 5),
        "val_roc_auc": round(metrics.roc_auc(person, validation.labels), 5),
    }


def _log(path: Path, row: dict[str, float]) -> None:
    """Write an epoch's row behind those of the epochs before it, in place of what a killed run left of later ones."""
    before = path.read_text(errors="replace").splitlines()[: int(row["epoch"])] if path.exists() else []
    lines = [*(before or [",".join(row)]), ",".join(str(value) for value in row.values())]
    write_whole(path, "\n".join(lines).encode() + b"\n")
