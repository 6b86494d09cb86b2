"""Networks in Keras: MobileNet v1 of any depth multiplier and picture size, and whatever else is an architecture."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from vww_deploy.errors import DataError, ToolMissing
from vww_deploy.graph.architecture import Architecture
from vww_deploy.resources import install_extra

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's C++ parts write pages about this computer otherwise
# oneDNN's kernels take less than half the time of a training step, but TensorFlow leaves them off on AMD's processors.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
MOBILENET_V1_NAME: Final = "mobilenet_v1_"
"""What the names of MobileNets begin with; their depth multiplier follows."""
NORMALISATION_EPSILON: Final = 1e-3
_NOISY = ("tensorflow", "absl")  # loggers that warn of what is meant so: of a checkpoint half read, of HDF5's age


def build_mobilenet_v1(
    depth_multiplier: float = 0.25,
    input_shape: tuple[int | None, int | None, int] = (96, 96, 1),
    classes: int = 2,
    *,
    fused: bool = False,
) -> Any:
    """MobileNet v1 as a ``keras.Model``: pictures, float32 ``[N, H, W, C]`` in -1..1, to float32 ``[N, classes]``.

    The outputs are probabilities. A height and width of None gives a network that takes any size: its weights fit every
    size. With ``fused`` batches are normalised by TensorFlow's fused operation, and a step of training takes 0.6 of the
    time; the weights are the same, but a model saved whole would need this module to be read again.

    Raises:
        DataError: the depth multiplier, shape or class count cannot make a network.
        ToolMissing: TensorFlow is not installed.
    """
    height, width, channels = input_shape
    if not 0 < depth_multiplier < math.inf:
        raise DataError(f"depth multiplier {depth_multiplier:g} is no number above 0", hint="use 0.25, 0.5, 0.75 or 1")
    if channels < 1 or classes < 1 or any(side is not None and side < 1 for side in (height, width)):
        raise DataError(f"no network has input {height}x{width}x{channels} and {classes} classes")
    architecture = Architecture.mobilenet_v1(depth_multiplier, height or 0, channels, classes)
    return build_network(architecture, (height, width), fused=fused, name=f"{MOBILENET_V1_NAME}{depth_multiplier:g}")


def build_network(
    architecture: Architecture, size: tuple[int | None, int | None], *, fused: bool = False, name: str = ""
) -> Any:
    """Any architecture as :func:`build_mobilenet_v1` builds MobileNet v1, for pictures of a height and width.

    Layers are named as :meth:`vww_deploy.graph.architecture.Architecture.convolutions` names them, their
    normalisations and activations with ``_bn`` and ``_relu``.
    """
    keras = require_tensorflow().keras
    layers = keras.layers
    normalisation = _fused_normalisation() if fused else layers.BatchNormalization
    x = inputs = layers.Input(shape=(*size, architecture.channels), name="picture")
    block, block_input = 0, x
    for one in architecture.convolutions():
        if one.block != block:
            block, block_input = one.block, x
        how: dict[str, Any] = {"strides": one.stride, "padding": "same", "use_bias": False, "name": one.name}
        if one.depthwise:
            x = layers.DepthwiseConv2D(one.kernel, **how)(x)
        else:
            x = layers.Conv2D(one.outputs, one.kernel, kernel_initializer="he_normal", **how)(x)
        x = normalisation(momentum=0.97, epsilon=NORMALISATION_EPSILON, name=f"{one.name}_bn")(x)
        if one.relu6:
            x = layers.ReLU(6.0, name=f"{one.name}_relu")(x)
        if one.residual:
            x = layers.Add(name=f"add{one.block}")([block_input, x])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = layers.Dense(architecture.classes, activation="softmax", name="classes")(x)
    model = keras.Model(inputs, outputs, name=name or f"{architecture.kind}_{architecture.key}")
    for one in architecture.convolutions():
        if not one.depthwise:
            continue
        # Depthwise kernels that hand their input on, and some noise: 13 random ones would lose the picture. Not an
        # initializer: a saved model would need this module to be read again.
        kernel = model.get_layer(one.name).kernel
        middle = np.zeros(kernel.shape, np.float32)
        middle[one.kernel // 2, one.kernel // 2] = 1.0
        kernel.assign(middle + keras.random.normal(kernel.shape, stddev=0.1))
    return model


@cache
def _fused_normalisation() -> Any:
    """Keras's batch normalisation; while training it is one operation instead of Keras 3's dozen."""
    tf = require_tensorflow()

    class FusedBatchNormalization(tf.keras.layers.BatchNormalization):  # type: ignore[name-defined,misc]
        def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
            if not training:
                return super().call(inputs, training=training, mask=mask)
            none = tf.zeros([0])
            outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
                x=inputs, scale=self.gamma, offset=self.beta, mean=none, variance=none, epsilon=self.epsilon
            )
            for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(self.momentum * moving + (1.0 - self.momentum) * value)
            return outputs

    return FusedBatchNormalization


def with_plain_normalisation(model: Any) -> Any:
    """A network like ``model``, untrained, without the fused normalisation of :func:`build_network`."""
    keras = require_tensorflow().keras

    def plain(layer: Any) -> Any:
        kind = keras.layers.BatchNormalization if isinstance(layer, _fused_normalisation()) else type(layer)
        return kind.from_config(layer.get_config())

    return keras.models.clone_model(model, clone_function=plain)


def require_tensorflow() -> Any:
    """The ``tensorflow`` module; it is heavy and optional, so it is imported on first use.

    Raises:
        ToolMissing: it is not installed.
    """
    try:
        with nullcontext() if "tensorflow" in sys.modules else silent_stderr():
            import tensorflow as tf
    except ImportError as error:
        raise ToolMissing("TensorFlow is not installed", hint=install_extra("train")) from error
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    return tf


@contextmanager
def silent_stderr() -> Iterator[None]:
    """While TensorFlow starts: its C++ parts write to the descriptor itself, whatever the log level is."""
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
