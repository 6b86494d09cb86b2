"""Training of MobileNet v1 with distillation, augmentation, weight averaging and checkpoints that survive a kill."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from vww_deploy.errors import DataError, ModelError
from vww_deploy.files import write_whole
from vww_deploy.training.augment import BT601, Augmentation, any_luma, blend, degrade, nudge, resize_colour, to_student
from vww_deploy.training.datasets import PictureArrays
from vww_deploy.training.mobilenet import build_mobilenet_v1, require_tensorflow
from vww_deploy.training.narrow import take_channels
from vww_deploy.training.views import View, ViewCache

INNER_LAYERS: Final = ("pw5_relu", "pw11_relu", "pw13_relu")
"""The outputs that are compared with the teacher's three smallest maps: 12x12, 6x6 and 3x3 of a 96x96 picture."""
WIDER: Final = (0.25, 0.5, 0.75, 1.0)
"""Depth multipliers of the networks that a narrower one may begin from."""
WEIGHTS_FILE: Final = "averaged.weights.h5"
_LARGEST_GRADIENT: Final = 2.0  # the norm that gradients are clipped to
_WEIGHTS_OVERHEAD: Final = 1 << 19  # bytes that HDF5 adds to the numbers, and room to spare


@dataclass(frozen=True)
class Recipe:
    """All that decides a training's result."""

    depth_multiplier: float = 0.25
    size: int = 96
    channels: int = 1
    epochs: int = 60
    batch: int = 32
    learning_rate: float = 4e-3
    warmup_epochs: float = 1.0
    weight_decay: float = 0.02
    averaging: float = 0.998
    """Decay of the running average of the weights, a step."""
    hard: float = 0.5
    """Weight of the picture's own label against the teacher's."""
    hard_one_label_source: float = 0.25
    """The same for pictures of a source that knows one label only: there the source gives the label away."""
    temperature: float = 1.6
    """What the teacher's log odds are divided by: networks are surer than they are right."""
    gray_word: float = 0.4
    """Weight of what the teacher says without colour, for a network that sees none."""
    inner: float = 2.0
    """Weight of the teacher's inner maps at the start; it falls to 0."""
    views: int = 10
    """Random views of every picture that are made, once, and shown in turn."""
    early_size: int = 0
    """Side in pixels of the first ``early_part`` of the epochs; 0 is ``size``. Smaller pictures cost less."""
    early_part: float = 0.5
    seed: int = 1
    augmentation: Augmentation = field(default_factory=Augmentation)


def train(
    recipe: Recipe,
    views: ViewCache,
    validation: PictureArrays,
    folder: Path,
    *,
    initial: Path | None = None,
    say: Callable[[dict[str, float]], None] = lambda row: None,
    step: Callable[[str], None] = lambda text: None,
) -> Path:
    """Train, or go on where a killed training in ``folder`` stopped; returns the path of the averaged weights.

    ``folder`` gets ``recipe.json``, ``log.csv``, ``tensorboard/``, ``checkpoint/`` and, after each epoch, the averaged
    weights. All are written whole or not at all, and an epoch counts as done only when all are there, so a kill or a
    full disk costs at most the epoch it fell into.

    Args:
        views: of the training pictures.
        validation: pictures that the averaged weights are judged by after each epoch.
        initial: weights (of any channel count) to begin from instead of random ones.
        say: told each epoch's row of the log.
        step: told in words what is being done, often.

    Raises:
        DataError: fewer pictures than a batch, or the folder cannot be written.
        ModelError: the folder or ``initial`` holds another network or damaged files, or the loss is not finite.
    """
    tf = require_tensorflow()
    tf.keras.utils.set_random_seed(recipe.seed)
    steps = len(views.training.labels) // recipe.batch
    if steps == 0:
        raise DataError(
            f"{len(views.training.labels)} training pictures are fewer than a batch of {recipe.batch}",
            hint="Use more pictures or a smaller --batch.",
        )
    student = _Student(recipe, views, initial)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        student.restore(folder / "checkpoint")
        write_whole(folder / "recipe.json", json.dumps(asdict(recipe), indent=2).encode() + b"\n")
        if student.epochs_done and not (folder / WEIGHTS_FILE).exists():
            _save_weights(student.averaged, folder / WEIGHTS_FILE)
        writer = tf.summary.create_file_writer(str(folder / "tensorboard"))
        for epoch in range(student.epochs_done, recipe.epochs):
            started = time.monotonic()
            early = recipe.early_size and epoch < recipe.early_part * recipe.epochs
            size = recipe.early_size if early else recipe.size
            told = []
            for at, batch in enumerate(epoch_batches(recipe, views, epoch, size), start=epoch * steps):
                rate, decay = _rate(recipe, at, steps), _decay(recipe, at, initial is None)
                told.append(student.learn(batch, rate, decay, epoch))
                step(f"epoch {epoch + 1} of {recipe.epochs}: step {len(told)} of {steps}")
            loss, apart = (float(one) for one in np.mean(told, axis=0))
            student.check_finite(epoch, loss)
            row = {
                "epoch": epoch + 1,
                "size": size,
                "loss": round(loss, 5),
                "inner": round(apart, 5),
                "learning_rate": round(_rate(recipe, (epoch + 1) * steps - 1, steps), 7),
                **_judge(student.averaged, validation, recipe),
                "seconds": round(time.monotonic() - started, 1),
            }
            _save_weights(student.averaged, folder / WEIGHTS_FILE)
            _log(folder / "log.csv", row)
            with writer.as_default(step=epoch + 1):
                for name, value in row.items():
                    tf.summary.scalar(name, value)
            writer.flush()
            student.save(folder / "checkpoint")  # last: it is what counts the epoch as done
            say(row)
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


class _Student:
    """The network in training, its running average, and the heads that tell the teacher's inner maps from its own."""

    def __init__(self, recipe: Recipe, views: ViewCache, initial: Path | None) -> None:
        tf = require_tensorflow()
        shape = (None, None, recipe.channels)
        self.model = build_mobilenet_v1(recipe.depth_multiplier, shape, fused=True)
        self.averaged = build_mobilenet_v1(recipe.depth_multiplier, shape)
        if initial is not None:
            adopt_weights(self.model, initial)
        self.averaged.set_weights(self.model.get_weights())
        # While it learns, the network also tells the teacher's inner maps from its own, through a linear head each:
        # they say more about a picture than one bit does.
        outputs = [self.model.get_layer(name).output for name in INNER_LAYERS]
        self._inside = tf.keras.Model(self.model.input, [self.model.output, *outputs])
        self._heads = []
        for output, like in zip(outputs, views.get(0).maps if recipe.inner else (), strict=False):
            head = tf.keras.layers.Conv2D(like.shape[3], 1)
            head.build(output.shape)
            self._heads.append(head)
        self._trained = [
            *self.model.trainable_variables,
            *(v for head in self._heads for v in head.trainable_variables),
        ]
        self._optimizer = tf.keras.optimizers.AdamW(recipe.learning_rate, weight_decay=recipe.weight_decay)
        self._optimizer.exclude_from_weight_decay(var_names=["bn", "gamma", "beta", "bias"])
        self._optimizer.build(self._trained)
        self._done = tf.Variable(0, dtype=tf.int64, name="epochs_done")
        self._checkpoint = tf.train.Checkpoint(
            model=self.model, averaged=self.averaged, optimizer=self._optimizer, done=self._done, heads=self._heads
        )
        self._recipe = recipe
        self._step = tf.function(self._make_step())

    @property
    def epochs_done(self) -> int:
        return int(self._done)

    def learn(self, batch: Any, rate: float, decay: float, epoch: int) -> tuple[Any, Any]:
        """One step; the mean distance from the targets and from the teacher's inner maps."""
        tf = require_tensorflow()
        inner = self._recipe.inner * (1.0 - epoch / self._recipe.epochs)
        numbers = (tf.constant(one, tf.float32) for one in (rate, decay, inner))
        loss, apart = self._step(*batch, *numbers)
        return loss, apart

    def check_finite(self, epoch: int, loss: float) -> None:
        """Raise ModelError if the epoch's loss or the weights after it are no numbers any more."""
        if not all(np.isfinite(one).all() for one in (loss, *self.averaged.get_weights())):
            raise ModelError(
                f"the loss of epoch {epoch + 1} is {loss:g} and its weights are lost",
                hint="Give a smaller --learning-rate; the training goes on after the last whole epoch.",
            )

    def restore(self, folder: Path) -> None:
        """Take over the newest whole checkpoint; of two that are kept, a kill or a bad disk may have damaged one."""
        tf = require_tensorflow()
        kept = self._manager(folder).checkpoints
        for path in reversed(kept):
            try:
                self._checkpoint.restore(path).expect_partial()
            except ValueError as error:
                raise ModelError(
                    f"{folder} is of another network: {error}", hint="Train into a new folder, or with the same recipe."
                ) from error
            except (IndexError, tf.errors.OpError):
                continue
            return
        if kept:
            raise ModelError(
                f"the checkpoints in {folder} are damaged", hint="Remove that folder; the training then begins anew."
            )

    def save(self, folder: Path) -> None:
        self._done.assign_add(1)
        self._manager(folder).save()

    def _manager(self, folder: Path) -> Any:
        return require_tensorflow().train.CheckpointManager(self._checkpoint, str(folder), max_to_keep=2)

    def _make_step(self) -> Callable[..., tuple[Any, Any]]:
        tf = require_tensorflow()

        def step(x: Any, target: Any, weight: Any, maps: Any, rate: Any, decay: Any, inner: Any) -> tuple[Any, Any]:
            self._optimizer.learning_rate.assign(rate)
            with tf.GradientTape() as tape:
                out, *own = self._inside(x, training=True)
                loss = tf.reduce_mean(weight * tf.keras.losses.binary_crossentropy(target[:, None], out[:, 1:]))
                apart = tf.constant(0.0)
                for head, mine, wanted in zip(self._heads, own, maps, strict=False):
                    told = head(tf.image.resize(mine, wanted.shape[1:3], "bilinear"))
                    apart += tf.reduce_mean(tf.square(told - tf.cast(wanted, tf.float32))) / len(self._heads)
                total = loss + inner * apart
            gradients, _ = tf.clip_by_global_norm(tape.gradient(total, self._trained), _LARGEST_GRADIENT)
            self._optimizer.apply_gradients(zip(gradients, self._trained, strict=True))
            for mean, value in zip(self.averaged.weights, self.model.weights, strict=True):
                mean.assign(decay * mean + (1.0 - decay) * value)
            return loss, apart

        return step


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


def load_network(recipe: Recipe, weights: Path) -> Any:
    """The trained network for pictures of the recipe's size, from the weights that :func:`train` wrote."""
    model = build_mobilenet_v1(recipe.depth_multiplier, (recipe.size, recipe.size, recipe.channels))
    adopt_weights(model, weights)
    return model


def adopt_weights(model: Any, weights: Path) -> None:
    """Load weights of a network that differs at most in the input's channels and in being wider.

    Gray becomes colour by the luma weights, and colour gray by the sum over its channels. Of a wider network the most
    useful channels are taken: something to train on from, no finished network.

    Raises:
        ModelError: the file is missing or damaged, or holds another network.
    """
    _check_readable(weights)
    multiplier, own = float(model.name.rsplit("_", 1)[1]), int(model.input_shape[3])
    for channels in dict.fromkeys((own, 1, 3)):
        for width in dict.fromkeys((multiplier, *(one for one in WIDER if one > multiplier))):
            source = build_mobilenet_v1(width, (None, None, channels))
            try:
                with warnings.catch_warnings():
                    # Keras looks for a second copy of every layer that its own files do not have.
                    warnings.filterwarnings("ignore", "Skipping nested container")
                    source.load_weights(weights)
            except (ValueError, OSError, KeyError):
                continue
            if width != multiplier:
                narrow = build_mobilenet_v1(multiplier, (None, None, channels))
                take_channels(source, narrow)
                source = narrow
            break
        else:
            continue
        values = source.get_weights()
        if channels == 1 and own == 3:
            values[0] = values[0] * np.array(BT601, np.float32)[None, None, :, None]
        elif channels != own:
            values[0] = values[0].sum(axis=2, keepdims=True)
        model.set_weights(values)
        return
    raise ModelError(f"{weights} holds no weights of {model.name}", hint="Give the same --depth-multiplier.")


def _check_readable(weights: Path) -> None:
    import h5py

    if not weights.is_file():
        raise ModelError(f"there are no weights {weights}", hint="Give a file that train or Keras wrote.")
    try:
        h5py.File(weights, "r").close()
    except OSError as error:
        raise ModelError(
            f"{weights} is damaged or no weights file: {error}", hint="Copy it again, or train it again."
        ) from error


def _rate(recipe: Recipe, at: int, steps: int) -> float:
    """The learning rate at a step: a linear warm-up, then a cosine."""
    warmup = recipe.warmup_epochs * steps
    if at < warmup:
        return recipe.learning_rate * (at + 1) / warmup
    progress = (at - warmup) / max(1.0, recipe.epochs * steps - warmup)
    return float(recipe.learning_rate * (0.5 * (1 + np.cos(np.pi * min(1.0, progress))) * 0.995 + 0.005))


def _decay(recipe: Recipe, at: int, from_nothing: bool) -> float:
    """Of the running average at a step: random weights to begin with are soon forgotten, trained ones are not."""
    return min(recipe.averaging, (1 + at) / (10 + at)) if from_nothing else recipe.averaging


def epoch_batches(recipe: Recipe, views: ViewCache, epoch: int, size: int) -> Iterator[Any]:
    """One epoch's batches: pictures float32 ``[N, size, size, channels]``, P(person) ``[N]``, weights ``[N]``, maps."""
    tf = require_tensorflow()
    view = views.get(epoch % recipe.views)
    if epoch + 1 < recipe.epochs:
        views.prepare((epoch + 1) % recipe.views)
    target, weight = _targets(recipe, views.training, view), class_weights(views.training.labels)
    rng = np.random.default_rng((recipe.seed, epoch))
    steps = len(target) // recipe.batch
    order = rng.permutation(len(target))[: steps * recipe.batch].reshape(steps, recipe.batch)
    flips = rng.random(len(target)) < 0.5
    arrays: list[npt.NDArray[Any]] = [view.pictures, *(_standard(one) for one in view.maps if recipe.inner)]
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
        x, y, w, *inner = tf.numpy_function(rows_of, [rows], kinds)
        y.set_shape([recipe.batch])
        w.set_shape([recipe.batch])
        for one, shape in zip((x, *inner), shapes, strict=True):
            one.set_shape([recipe.batch, *shape])
        seed = tf.stack([tf.constant((recipe.seed * 100003 + epoch) % 2**31, tf.int32), tf.cast(index, tf.int32)])
        x = tf.cast(x, tf.float32)
        if recipe.channels == 1:
            x = any_luma(x, seed, recipe.augmentation)
        if recipe.augmentation.nudge:
            x = nudge(x, seed, recipe.augmentation)
        x = resize_colour(x, size, recipe.channels)
        x = to_student(degrade(x, seed, recipe.augmentation), size, recipe.channels)
        if recipe.augmentation.blend:
            x, y, *inner = blend([x, y, *inner], seed, recipe.augmentation)
        return x, y, w, tuple(inner)

    try:
        yield from tf.data.Dataset.from_tensor_slices(order).enumerate().map(load, num_parallel_calls=2).prefetch(4)
    finally:
        # TensorFlow keeps every function that it was given until the process ends, and so all that one refers to:
        # half a gigabyte an epoch.
        arrays.clear()


def _targets(recipe: Recipe, training: PictureArrays, view: View) -> npt.NDArray[np.float32]:
    """P(person) to learn: the picture's own label, mixed with the teacher's where there is one."""
    labels = training.labels.astype(np.float32)
    if view.teacher is None or view.teacher_gray is None:
        return labels
    hard = np.where(training.one_label_source, recipe.hard_one_label_source, recipe.hard) * view.label_holds
    said = view.teacher
    if recipe.channels == 1:
        said = (1.0 - recipe.gray_word) * said + recipe.gray_word * view.teacher_gray
    soft = 1.0 / (1.0 + np.exp(-said / recipe.temperature))
    mixed: npt.NDArray[np.float32] = (hard * labels + (1.0 - hard) * soft).astype(np.float32)
    return mixed


def class_weights(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """A weight for each picture, ``[N]``, by which both classes count the same; their mean is 1."""
    persons = np.count_nonzero(labels)
    by_class = len(labels) / (2.0 * np.array([len(labels) - persons, persons]))
    return by_class[labels].astype(np.float32)


def _standard(maps: npt.NDArray[np.float16]) -> npt.NDArray[np.float16]:
    """Maps with mean 0 and variance 1 in every channel, so that none outweighs the others."""
    sample = maps[:: max(1, len(maps) // 2000)].astype(np.float32)
    mean, deviation = sample.mean(axis=(0, 1, 2)), sample.std(axis=(0, 1, 2)) + 1e-3
    standard: npt.NDArray[np.float16] = (maps - mean.astype(np.float16)) / deviation.astype(np.float16)
    return standard


def _judge(model: Any, validation: PictureArrays, recipe: Recipe) -> dict[str, float]:
    person = predict(model, validation.pictures, recipe.size, recipe.channels)
    right = (person >= 0.5) == (validation.labels == 1)
    return {
        "val_accuracy": round(float(right.mean()), 5),
        "val_person": round(float(right[validation.labels == 1].mean()), 5),
        "val_no_person": round(float(right[validation.labels == 0].mean()), 5),
    }


def _save_weights(model: Any, path: Path) -> None:
    unfinished = path.with_name(f"next.{path.name}")
    try:
        # HDF5 crashes when it closes a file that the disk has no space for, so the space is taken first.
        unfinished.write_bytes(bytes(_WEIGHTS_OVERHEAD + sum(one.nbytes for one in model.get_weights())))
        model.save_weights(unfinished)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    unfinished.replace(path)


def _log(path: Path, row: dict[str, float]) -> None:
    """Write an epoch's row behind those of the epochs before it, in place of what a killed run left of later ones."""
    before = path.read_text(errors="replace").splitlines()[: int(row["epoch"])] if path.exists() else []
    lines = [*(before or [",".join(row)]), ",".join(str(value) for value in row.values())]
    write_whole(path, "\n".join(lines).encode() + b"\n")
