"""Fine-tuning for int8: batch normalisation folded away, weights and activations rounded as the int8 model does it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from vww_deploy.graph.costs import BLOCKS
from vww_deploy.training.interpret import Pixels, to_real
from vww_deploy.training.mobilenet import build_mobilenet_v1, require_tensorflow

LEARNING_RATE: Final = 1e-4
_PASSES: Final = 4  # after two, int8 of the colour network still lost half a point (docs/training.md)
_BATCH: Final = 32
_RANGE_PICTURES: Final = 400


def fold(model: Any) -> Any:
    """The same network without batch normalisation: it is the identity, its work is in the kernels and biases.

    A folded network is a MobileNet whose normalisations have scale 1, mean 0 and variance 1 - epsilon, so it converts
    and trains like any other.
    """
    folded = build_mobilenet_v1(float(model.name.rsplit("_", 1)[1]), model.input_shape[1:], model.output_shape[1])
    for name in convolution_names():
        kernel, bias = folded_kernel(model, name)
        folded.get_layer(name).set_weights([kernel])
        _set_identity(folded.get_layer(f"{name}_bn"), bias)
    folded.get_layer("classes").set_weights(model.get_layer("classes").get_weights())
    return folded


def convolution_names() -> list[str]:
    """The convolutions in their order."""
    return ["conv0", *(f"{kind}{index}" for index in range(1, len(BLOCKS) + 1) for kind in ("dw", "pw"))]


def folded_kernel(model: Any, name: str) -> tuple[Any, Any]:
    """Kernel and bias of a convolution with its normalisation inside."""
    (kernel,) = model.get_layer(name).get_weights()
    normalisation = model.get_layer(f"{name}_bn")
    gamma, beta, mean, variance = normalisation.get_weights()
    factor = gamma / np.sqrt(variance + normalisation.epsilon)
    by_channel = factor[None, None, :, None] if name.startswith("dw") else factor[None, None, None, :]
    return kernel * by_channel, beta - mean * factor


def fine_tune_int8(model: Any, pictures: Pixels, *, seed: int = 1) -> Any:
    """A network like ``model`` that says at int8 what ``model`` says in float: it learns from its own float answers.

    It is trained over ``pictures`` and their mirror images with rounding in place, as TFLite rounds: weights by channel
    and symmetric, activations by tensor over the range that they were seen to have. Labels are not needed, and accuracy
    is neither gained nor lost but for rounding.

    Args:
        model: a MobileNet of :mod:`vww_deploy.training.mobilenet`.
        pictures: uint8 ``[N, height, width, channels]``, training pictures as the model sees them.

    Returns:
        A folded Keras model.
    """
    tf = require_tensorflow()
    exact = fold(model)
    network = _Rounded(fold(model), tf)
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(len(pictures)) for _ in range(_PASSES)])
    network.see_ranges(
        tf.constant(to_real(pictures[order[at : at + _RANGE_PICTURES // 4]]))
        for at in range(0, min(len(order), _RANGE_PICTURES), _RANGE_PICTURES // 4)
    )
    optimizer = tf.keras.optimizers.Adam(LEARNING_RATE)
    optimizer.build(network.trained)

    @tf.function  # type: ignore[untyped-decorator]
    def step(x: Any) -> None:
        wanted = _log_odds(tf, exact(x, training=False))
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(_log_odds(tf, network(x)) - wanted))
        optimizer.apply_gradients(zip(tape.gradient(loss, network.trained), network.trained, strict=True))

    batches = [order[at : at + _BATCH] for at in range(0, len(order) - _BATCH + 1, _BATCH)] or [order]
    for at, rows in enumerate(batches):
        optimizer.learning_rate.assign(LEARNING_RATE * 0.5 * (1 + np.cos(np.pi * at / len(batches))))
        mirror = (rng.random(len(rows)) < 0.5)[:, None, None, None]
        x = np.where(mirror, pictures[rows][:, :, ::-1], pictures[rows])
        step(tf.constant(to_real(x)))
    return network.model()


def _log_odds(tf: Any, probabilities: Any) -> Any:
    """Logits ``[N, classes]`` of probabilities, centred."""
    logits = tf.math.log(tf.maximum(probabilities, 1e-6))
    return logits - tf.reduce_mean(logits, axis=1, keepdims=True)


class _Rounded:
    """The folded network's variables, and its forward pass with int8 rounding; gradients pass the rounding straight."""

    def __init__(self, folded: Any, tf: Any) -> None:
        self._folded, self._tf = folded, tf
        self._kernels, self._biases = {}, {}
        for name in convolution_names():
            (kernel,) = folded.get_layer(name).get_weights()
            self._kernels[name] = tf.Variable(kernel)
            self._biases[name] = tf.Variable(folded_kernel(folded, name)[1])
        self._classes = [tf.Variable(one) for one in folded.get_layer("classes").get_weights()]
        self._tops: dict[str, Any] = {name: tf.Variable(0.0, trainable=False) for name in self._kernels}
        self.trained = [*self._kernels.values(), *self._biases.values(), *self._classes]

    def __call__(self, x: Any, *, rounded: bool = True) -> Any:
        """Probabilities ``[N, 2]`` of pictures in -1..1."""
        tf = self._tf
        for name, kernel in self._kernels.items():
            depthwise = name.startswith("dw")
            used = _round_weights(tf, kernel, 2 if depthwise else 3) if rounded else kernel
            layer = self._folded.get_layer(name)
            strides = [1, *layer.strides, 1]
            convolve = tf.nn.depthwise_conv2d if depthwise else tf.nn.conv2d
            x = tf.nn.relu6(convolve(x, used, strides, "SAME") + self._biases[name])
            if rounded:
                x = _round_activations(tf, x, self._tops[name])
            else:
                self._tops[name].assign(tf.maximum(self._tops[name], tf.reduce_max(x)))
        x = tf.reduce_mean(x, axis=[1, 2])
        kernel, bias = self._classes
        return tf.nn.softmax(x @ (_round_weights(tf, kernel, 1) if rounded else kernel) + bias)

    def see_ranges(self, pictures: Any) -> None:
        """Note the largest value of every activation."""
        for x in pictures:
            self(x, rounded=False)

    def model(self) -> Any:
        """The network as a folded Keras model."""
        for name, kernel in self._kernels.items():
            self._folded.get_layer(name).set_weights([kernel.numpy()])
            _set_identity(self._folded.get_layer(f"{name}_bn"), self._biases[name].numpy())
        self._folded.get_layer("classes").set_weights([one.numpy() for one in self._classes])
        return self._folded


def _set_identity(normalisation: Any, bias: Any) -> None:
    one = np.ones_like(bias)
    normalisation.set_weights([one, bias, 0 * one, one - normalisation.epsilon])


def _round_weights(tf: Any, kernel: Any, axis: int) -> Any:
    """Weights as int8 holds them: symmetric, a scale for each output channel (``axis``)."""
    others = [i for i in range(len(kernel.shape)) if i != axis]
    scale = tf.maximum(tf.reduce_max(tf.abs(kernel), axis=others, keepdims=True), 1e-8) / 127.0
    return kernel + tf.stop_gradient(tf.round(kernel / scale) * scale - kernel)


def _round_activations(tf: Any, x: Any, top: Any) -> Any:
    """Activations of 0..top in 255 steps."""
    scale = tf.maximum(top, 1e-6) / 255.0
    return x + tf.stop_gradient(tf.clip_by_value(tf.round(x / scale), 0.0, 255.0) * scale - x)
