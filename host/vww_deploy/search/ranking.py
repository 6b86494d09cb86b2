"""How well a candidate learns, before anybody trains it: a short tuning of the weights that it inherits.

The parent is trained by the sandwich rule (Yu and Huang, 2019): each step takes the largest network, the smallest and
two of the candidates at random.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from vww_deploy.errors import DataError
from vww_deploy.files import write_whole
from vww_deploy.graph.architecture import Architecture
from vww_deploy.search.parent import Values, covering, first_values, forward, inherited
from vww_deploy.search.space import Staged
from vww_deploy.training import metrics
from vww_deploy.training.augment import Augmentation, random_views, to_student
from vww_deploy.training.datasets import PictureArrays
from vww_deploy.training.mobilenet import require_tensorflow
from vww_deploy.training.student import LARGEST_GRADIENT

TRUSTED_CORRELATION: Final = 0.6
"""Below this rank correlation with networks that were trained, the ranking is not believed."""
_PARENT_RATE: Final = 2e-3
_TUNING_RATE: Final = 5e-4
_AUGMENTATION: Final = Augmentation(paste=0.0)
_MEASURED_BATCHES: Final = 4
_KEPT_EVERY: Final = 50


@dataclass(frozen=True)
class Network:
    """What a step is to train, and its weights, which are computed from all that is trained."""

    architecture: Architecture
    values: Callable[[Values], Values]


@dataclass(frozen=True)
class Lessons:
    """Pictures to learn from and to be judged by, and how many a step sees."""

    training: PictureArrays
    judged: PictureArrays
    batch: int
    seed: int

    def draw(self, rng: np.random.Generator, side: int) -> tuple[Any, Any]:
        """Random views, float32 ``[N, side, side, 3]`` in 0..255, and labels float32 ``[N]``."""
        tf = require_tensorflow()
        rows = rng.integers(0, len(self.training.labels), self.batch)
        pictures = self.training.pictures[rows]
        flips = rng.random(self.batch) < 0.5
        pictures[flips] = pictures[flips, :, ::-1]
        seed = tf.constant(rng.integers(0, 2**31, 2), tf.int32)
        x, _ = random_views(tf.constant(pictures), side, seed, _AUGMENTATION)
        return x, tf.constant(self.training.labels[rows].astype(np.float32))


def train_parent(
    parent: Staged,
    candidates: Sequence[Staged],
    lessons: Lessons,
    steps: int,
    path: Path,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """The parent's weights after some steps; ``path`` keeps them, and a stopped training goes on from there.

    Raises:
        DataError: the file cannot be written.
    """
    tf = require_tensorflow()
    tf.keras.utils.set_random_seed(lessons.seed)
    kept, first = _kept(path)
    values = kept or first_values(parent.architecture)
    smallest = covering(candidates, min)

    def slices_of(one: Staged) -> Network:
        return Network(one.architecture, lambda whole: inherited(parent, whole, one))

    def sandwich(rng: np.random.Generator) -> list[Network]:
        some = [candidates[at] for at in rng.integers(0, len(candidates), 2)]
        return [slices_of(one) for one in (parent, smallest, *some)]

    def after(done: int, trained: _Flat) -> None:
        progress(f"training the parent: step {done} of {steps}")
        if done % _KEPT_EVERY == 0 or done == steps:
            _keep(path, trained.to_numpy(), done)

    side = max(one.architecture.side for one in candidates)
    return _learn(values, sandwich, lessons, side, _PARENT_RATE, first, steps, after).to_numpy()


def tuned_auc(parent: Staged, values: Values, candidate: Staged, lessons: Lessons, pictures: int) -> float:
    """The area under the ROC curve of a candidate that inherited its weights and was tuned on some pictures."""
    architecture = candidate.architecture
    steps = max(1, pictures // lessons.batch)
    whole = Network(architecture, lambda values: values)
    own = inherited(parent, values, candidate)
    tuned = _learn(own, lambda rng: [whole], lessons, architecture.side, _TUNING_RATE, 0, steps)
    return metrics.roc_auc(_predict(architecture, tuned.to_numpy(), lessons), lessons.judged.labels)


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """The rank correlation; equal values share their mean rank. NaN where all of one side are equal."""
    ranks = [_ranks(np.asarray(values, np.float64)) for values in (one, other)]
    if any(np.ptp(rank) == 0 for rank in ranks):
        return float("nan")
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: npt.NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks


class _Flat:
    """All weights as one variable: an optimizer that knows one is traced and run many times faster than for seventy."""

    def __init__(self, values: Values) -> None:
        tf = require_tensorflow()
        self._shapes = {name: tuple(value.shape) for name, value in values.items()}
        flat = np.concatenate([np.asarray(value, np.float32).ravel() for value in values.values()])
        self.variable = tf.Variable(flat)

    def values(self) -> Values:
        """The weights by name, as parts of the variable."""
        tf = require_tensorflow()
        parts = tf.split(self.variable, [math.prod(shape) for shape in self._shapes.values()])
        return {name: tf.reshape(one, shape) for (name, shape), one in zip(self._shapes.items(), parts, strict=True)}

    def to_numpy(self) -> dict[str, Any]:
        """Copies of the weights by name."""
        return {name: one.numpy() for name, one in self.values().items()}


def _learn(
    values: Values,
    choose: Callable[[np.random.Generator], Sequence[Network]],
    lessons: Lessons,
    side: int,
    rate: float,
    first: int,
    steps: int,
    after: Callable[[int, _Flat], None] = lambda done, trained: None,
) -> _Flat:
    """Steps of AdamW with a cosine; each step's pictures are the same in every run."""
    tf = require_tensorflow()
    trained = _Flat(values)
    optimizer = tf.keras.optimizers.AdamW(rate, weight_decay=0.01)
    optimizer.build([trained.variable])
    known: dict[str, Any] = {}

    def gradient_of(network: Network, x: Any, labels: Any) -> Any:
        """Each network's graph is traced once: operation by operation they would take four times as long."""
        if network.architecture.key not in known:
            known[network.architecture.key] = tf.function(partial(_gradient, network, trained))
        return known[network.architecture.key](x, labels)

    for at in range(first, steps):
        rng = np.random.default_rng((lessons.seed, at))
        x, labels = lessons.draw(rng, side)
        optimizer.learning_rate.assign(rate * 0.5 * (1 + np.cos(np.pi * at / steps)))
        found = [gradient_of(one, x, labels) for one in choose(rng)]
        gradient = tf.clip_by_norm(tf.add_n(found) / len(found), LARGEST_GRADIENT)
        optimizer.apply_gradients([(gradient, trained.variable)])
        after(at + 1, trained)
    return trained


def _gradient(network: Network, trained: _Flat, x: Any, labels: Any) -> Any:
    tf = require_tensorflow()
    architecture = network.architecture
    with tf.GradientTape() as tape:
        seen = to_student(x, architecture.side, architecture.channels)
        answers = forward(architecture, network.values(trained.values()), seen)
        loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, answers))
    return tape.gradient(loss, trained.variable)


def _predict(architecture: Architecture, values: Values, lessons: Lessons) -> npt.NDArray[np.float64]:
    """Log odds of the judged pictures, with statistics measured on some of those that were learned from."""
    tf = require_tensorflow()
    rng = np.random.default_rng(lessons.seed)
    measured: list[dict[str, tuple[Any, Any]]] = []
    for _ in range(_MEASURED_BATCHES):
        x, _ = lessons.draw(rng, architecture.side)
        measured.append({})
        forward(architecture, values, to_student(x, architecture.side, architecture.channels), measured[-1])
    statistics = {
        name: tuple(tf.add_n([one[name][i] for one in measured]) / len(measured) for i in range(2))
        for name in measured[0]
    }
    pictures = lessons.judged.pictures
    parts = []
    for start in range(0, len(pictures), lessons.batch):
        x = tf.cast(pictures[start : start + lessons.batch], tf.float32)
        parts.append(forward(architecture, values, to_student(x, architecture.side, architecture.channels), statistics))
    return np.concatenate([one.numpy() for one in parts]).astype(np.float64)


def _kept(path: Path) -> tuple[dict[str, Any], int]:
    """Weights and step of a parent on disk; a damaged file counts as none."""
    try:
        with np.load(path) as kept:
            return {name: kept[name] for name in kept.files if name != "step"}, int(kept["step"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}, 0


def _keep(path: Path, values: Values, step: int) -> None:
    packed = io.BytesIO()
    np.savez(packed, step=np.array(step), **values)
    try:
        write_whole(path, packed.getvalue())
    except OSError as error:
        raise DataError(
            f"{path} cannot be written: {error.strerror}",
            hint="Free some disk space; --resume then goes on from the last kept step.",
        ) from error
