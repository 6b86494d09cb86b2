"""The network in training: its steps, the average of its weights, and its checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np

from vww_deploy.errors import ModelError
from vww_deploy.training.mobilenet import require_tensorflow
from vww_deploy.training.recipe import Recipe
from vww_deploy.training.views import ViewCache
from vww_deploy.training.weights import adopt_weights

FEATURE_LAYERS: Final = ("pw5_relu", "pw11_relu", "pw13_relu")
"""The outputs that are compared with the teacher's three smallest maps: 12x12, 6x6 and 3x3 of a 96x96 picture."""
LARGEST_GRADIENT: Final = 2.0
"""The norm that gradients are clipped to."""


class Student:
    """The network in training, its running average, and the heads that tell the teacher's inner maps from its own."""

    def __init__(self, recipe: Recipe, views: ViewCache, initial: Path | None) -> None:
        tf = require_tensorflow()
        self.model, self.averaged = recipe.network(fused=True), recipe.network(fused=True)
        if initial is not None:
            plain = recipe.network()  # as weights are kept
            adopt_weights(plain, initial)
            self.model.set_weights(plain.get_weights())
        self.averaged.set_weights(self.model.get_weights())
        # While it learns, the network also tells the teacher's inner maps from its own, through a linear head each:
        # they say more about a picture than one bit does.
        maps = views.get(0).maps if recipe.feature_loss and recipe.architecture is None else ()
        outputs = [self.model.get_layer(name).output for name in FEATURE_LAYERS] if maps else []
        self._inside = tf.keras.Model(self.model.input, [self.model.output, *outputs])
        self._heads = []
        for output, like in zip(outputs, maps, strict=False):
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
        """One step; the mean loss, and the distance from the teacher's feature maps."""
        tf = require_tensorflow()
        distillation_weight = self._recipe.feature_loss * (1.0 - epoch / self._recipe.epochs)
        numbers = (tf.constant(one, tf.float32) for one in (rate, decay, distillation_weight))
        loss, feature_loss = self._step(*batch, *numbers)
        return loss, feature_loss

    def measure_statistics(self, batches: Iterable[Any]) -> None:
        """Measure the means and variances of the averaged network's normalisations anew.

        Averaged over steps like the weights, they would be those of the weights as they were, not of their average.

        Args:
            batches: pictures as the network sees them, float32 ``[N, size, size, channels]``.
        """
        layers = [layer for layer in self.averaged.layers if hasattr(layer, "moving_mean")]
        for seen, x in enumerate(batches):
            for layer in layers:
                layer.momentum = seen / (seen + 1)  # the plain mean over the batches
            self.averaged(x, training=True)

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

        def step(x: Any, target: Any, weight: Any, maps: Any, rate: Any, decay: Any, distill: Any) -> tuple[Any, Any]:
            self._optimizer.learning_rate.assign(rate)
            with tf.GradientTape() as tape:
                out, *own = tf.nest.flatten(self._inside(x, training=True))
                loss = tf.reduce_mean(weight * tf.keras.losses.binary_crossentropy(target[:, None], out[:, 1:]))
                feature_loss = tf.constant(0.0)
                for head, mine, wanted in zip(self._heads, own, maps, strict=False):
                    mapped = head(tf.image.resize(mine, wanted.shape[1:3], "bilinear"))
                    feature_loss += tf.reduce_mean(tf.square(mapped - tf.cast(wanted, tf.float32))) / len(self._heads)
                total = loss + distill * feature_loss
            gradients, _ = tf.clip_by_global_norm(tape.gradient(total, self._trained), LARGEST_GRADIENT)
            self._optimizer.apply_gradients(zip(gradients, self._trained, strict=True))
            for mean, value in zip(self.averaged.weights, self.model.weights, strict=True):
                mean.assign(decay * mean + (1.0 - decay) * value)
            return loss, feature_loss

        return step
