"""Augmentation that fits small cameras, vectorised over a batch.

Seeded without state, so that a resumed run sees what the first would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from vww_deploy.training.mobilenet import require_tensorflow

# ITU-R BT.601 luma, as vww_deploy.pictures.preprocess has it in integers.
BT601: Final = (0.299, 0.587, 0.114)
OF_VIEWS: Final = ("crop", "aspect", "label_holds_from", "paste", "jpeg")
"""The fields of :class:`Augmentation` that :func:`random_views` uses; all others change a view in each epoch."""


@dataclass(frozen=True)
class Augmentation:
    """How far pictures are changed; every probability and range is for one picture."""

    crop: tuple[float, float] = (0.6, 1.1)
    """Side of the crop as a part of the picture's; above 1 the picture shrinks onto a gray ground."""
    aspect: float = 0.2
    """Largest stretch of width against height, as a part."""
    label_holds_from: float = 0.75
    """Crops smaller than this may have lost the person: their own label no longer counts, the teacher's does."""
    paste: float = 0.3
    """Part of the pictures that another one is pasted onto, at a side of 0.3 to 0.75: persons before other backgrounds.
    Only a teacher knows what is to be seen then, so none without one."""
    shift: float = 0.0
    """How far a picture is moved and stretched anew in each epoch, as a part of its side; so little that the teacher's
    word on it still holds."""
    rotate: float = 0.0
    """Largest angle in degrees by which a picture is turned anew in each epoch."""
    cutout: float = 0.0
    """Part of the pictures that lose a rectangle of 0.15 to 0.4 of their sides in each epoch."""
    mixup: float = 0.0
    """Part of the pictures that another one shines through in each epoch, at up to half; what is to be learned of both
    is mixed likewise (Zhang et al. 2018)."""
    degraded: float = 1.0
    """Part of the pictures that :func:`degrade` changes at all; each other part below is one of these."""
    exposure: float = 0.0
    """Part of the pictures that are exposed for 0.3 to 1.7 times as long in each epoch."""
    brightness: float = 0.15
    contrast: float = 0.3
    colour: float = 0.15
    """Largest change of a single colour channel's gain: the white balance of a cheap sensor."""
    gray: float = 0.15
    """Part of the pictures that lose their colour."""
    luma: float = 0.7
    """How far the weights of red, green and blue may stray from BT.601's in a gray picture; at 1 they can be any."""
    blur: float = 0.15
    low_resolution: float = 0.12
    """Part of the pictures that are shrunk to half the size and enlarged again, as an upsampled source is."""
    noise: float = 0.03
    """Largest standard deviation of the noise, of full scale."""
    jpeg: float = 0.15


def random_views(pictures: Any, size: int, seed: Any, how: Augmentation) -> tuple[Any, Any]:
    """Crop, stretch and shrink a batch of pictures at random: that changes their content, so a teacher must see it.

    Args:
        pictures: uint8 ``[N, h, w, 3]``.
        size: side of the result in pixels.
        seed: int32 ``[2]``; the same seed gives the same result.

    Returns:
        float32 ``[N, size, size, 3]`` in 0..255, and bool ``[N]``: whether the picture's own label still holds.
    """
    tf = require_tensorflow()
    count = tf.shape(pictures)[0]
    uniform = _Uniform(seed, count)
    pictures = _jpeg(pictures, uniform(0.0, 1.0)[:, 0, 0, 0] < how.jpeg, uniform.seed())
    side = uniform(*how.crop)[:, 0, 0, 0]
    stretch = tf.sqrt(uniform(1.0 - how.aspect, 1.0 + how.aspect)[:, 0, 0, 0])
    height, width = side * stretch, side / stretch
    top = uniform(0.0, 1.0)[:, 0, 0, 0] * (1.0 - height)
    left = uniform(0.0, 1.0)[:, 0, 0, 0] * (1.0 - width)
    boxes = tf.stack([top, left, top + height, left + width], axis=1)
    # Twice the size and the mean of 2x2: bilinear sampling alone would alias.
    x = tf.image.crop_and_resize(
        pictures, boxes, tf.range(count), [2 * size, 2 * size], method="bilinear", extrapolation_value=118.0
    )
    x, holds = tf.nn.avg_pool2d(x, 2, 2, "VALID"), side >= how.label_holds_from
    if not how.paste:
        return x, holds
    pasted = uniform(0.0, 1.0) < how.paste
    return tf.where(pasted, _pasted(x, uniform), x), holds & ~pasted[:, 0, 0, 0]


def _pasted(x: Any, uniform: _Uniform) -> Any:
    """Each picture of a batch with its neighbour, made smaller, pasted onto it."""
    tf = require_tensorflow()
    size = x.shape[1]
    side = uniform(0.3, 0.75)[:, 0, 0, 0]
    top, left = (uniform(0.0, 1.0)[:, 0, 0, 0] * (1.0 - side) for _ in "yx")
    # The box of the picture that the whole result shows of its small neighbour: outside it there is nothing.
    boxes = tf.stack([-top / side, -left / side, (1.0 - top) / side, (1.0 - left) / side], axis=1)
    count = tf.shape(x)[0]
    half = tf.nn.avg_pool2d(tf.roll(x, 1, axis=0), 2, 2, "VALID")  # about the size that it will have: no aliases
    small = tf.image.crop_and_resize(half, boxes, tf.range(count), [size, size], extrapolation_value=-1.0)
    return tf.where(small < 0.0, x, small)


def any_luma(x: Any, seed: Any, how: Augmentation) -> Any:
    """A batch in gray as sensors and films of any spectral response would see it.

    A gray network then learns shapes rather than what red, green and blue look like in one response.

    Args:
        x: float32 ``[N, s, s, 3]`` in 0..255.
        seed: int32 ``[2]``; the same seed gives the same result.

    Returns:
        float32 ``[N, s, s, 1]``.
    """
    tf = require_tensorflow()
    uniform = _Uniform(tf.bitwise.invert(seed), tf.shape(x)[0])  # other numbers than degrade draws
    weights = uniform(0.0, 1.0, channels=3)
    weights /= tf.reduce_sum(weights, axis=-1, keepdims=True)
    strays = uniform(0.0, how.luma)
    weights = strays * weights + (1.0 - strays) * tf.constant(BT601)
    return tf.matmul(x, tf.reshape(weights, [-1, 1, 3, 1]))


def shift(x: Any, seed: Any, how: Augmentation) -> Any:
    """A batch moved, stretched and turned a little.

    Args:
        x: float32 ``[N, s, s, 1 or 3]`` in 0..255.
        seed: int32 ``[2]``; the same seed gives the same result.
    """
    tf = require_tensorflow()
    count, size = tf.shape(x)[0], x.shape[1]
    uniform = _Uniform(tf.reverse(seed, [0]), count)  # other numbers than degrade draws
    height, width, y, x_ = (uniform(-how.shift, how.shift)[:, 0, 0, 0] for _ in range(4))
    angle = uniform(-how.rotate, how.rotate)[:, 0, 0, 0] * (np.pi / 180.0)
    # Each row maps a pixel of the result to the place that it is taken from, about the picture's middle.
    middle, cos, sin, none = (size - 1) / 2, tf.cos(angle), tf.sin(angle), tf.zeros([count])
    a, b, c, d = (1.0 + 2.0 * width) * cos, -sin, sin, (1.0 + 2.0 * height) * cos
    transforms = tf.stack(
        [a, b, middle * (1.0 - a - b) + x_ * size, c, d, middle * (1.0 - c - d) + y * size, none, none], axis=1
    )
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=x,
        transforms=transforms,
        output_shape=[size, size],
        fill_value=118.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


def mixup(parts: Sequence[Any], seed: Any, how: Augmentation) -> list[Any]:
    """A batch of which some pictures are mixed with another one of it, and so is all that belongs to them.

    Args:
        parts: float tensors ``[N, ...]``: the pictures, and what is to be learned of them.
        seed: int32 ``[2]``; the same seed gives the same result.
    """
    tf = require_tensorflow()
    uniform = _Uniform(tf.bitwise.invert(tf.reverse(seed, [0])), tf.shape(parts[0])[0])  # other numbers than the others
    other = tf.where(uniform(0.0, 1.0) < how.mixup, uniform(0.0, 0.5), 0.0)[:, 0, 0, 0]

    def mixed(part: Any) -> Any:
        share = tf.cast(tf.reshape(other, [-1] + [1] * (len(part.shape) - 1)), part.dtype)
        return part + share * (tf.roll(part, 1, axis=0) - part)

    return [mixed(part) for part in parts]


def degrade(x: Any, seed: Any, how: Augmentation) -> Any:
    """Make a batch look as if small cameras had taken it; nothing moves, so a teacher need not see it.

    Args:
        x: float32 ``[N, s, s, 1 or 3]`` in 0..255.
        seed: int32 ``[2]``; the same seed gives the same result.
    """
    tf = require_tensorflow()
    count, size, channels = tf.shape(x)[0], x.shape[1], x.shape[3]
    uniform = _Uniform(seed, count)
    half = tf.nn.avg_pool2d(x, 2, 2, "VALID")
    half = tf.image.resize(half, [size, size], "bilinear")
    x = _some(uniform(0.0, 1.0) < how.low_resolution, half, x)
    x = _some(uniform(0.0, 1.0) < how.blur, _blur(x), x)
    if channels == 3:
        x = _some(uniform(0.0, 1.0) < how.gray, luma(x), x)
        x *= uniform(1.0 - how.colour, 1.0 + how.colour, channels=3)
    middle = tf.reduce_mean(x, axis=[1, 2, 3], keepdims=True)
    x = (x - middle) * uniform(1.0 - how.contrast, 1.0 + how.contrast) + middle
    x += 255.0 * uniform(-how.brightness, how.brightness)
    if how.exposure:
        x = _some(uniform(0.0, 1.0) < how.exposure, x * uniform(0.3, 1.7), x)
    if how.cutout:
        x = _cut_out(x, uniform, uniform(0.0, 1.0) < how.cutout)
    deviation = tf.maximum(0.0, uniform(-how.noise, how.noise)) * 255.0
    x += deviation * tf.random.stateless_normal(tf.shape(x), uniform.seed())
    return tf.clip_by_value(x, 0.0, 255.0)


class _Uniform:
    """Uniform numbers, one a picture, from a seed that moves on with every draw."""

    def __init__(self, seed: Any, count: Any) -> None:
        self._seed, self._count, self._drawn = seed, count, 0

    def seed(self) -> Any:
        """A seed that no other draw uses."""
        self._drawn += 1
        return require_tensorflow().random.experimental.stateless_fold_in(self._seed, self._drawn)

    def __call__(self, low: float, high: float, channels: int = 1) -> Any:
        """float32 ``[N, 1, 1, channels]`` from ``low`` to ``high``."""
        return require_tensorflow().random.stateless_uniform([self._count, 1, 1, channels], self.seed(), low, high)


def _some(chosen: Any, changed: Any, x: Any) -> Any:
    """``changed`` where ``chosen`` (a bool for each picture or pixel), else ``x``; ``tf.where`` broadcasts slowly."""
    return x + require_tensorflow().cast(chosen, x.dtype) * (changed - x)


def _cut_out(x: Any, uniform: _Uniform, chosen: Any) -> Any:
    """The chosen pictures of a batch, bool ``[N, 1, 1, 1]``, each behind a rectangle of some gray."""
    tf = require_tensorflow()
    size = x.shape[1]
    at = tf.range(size, dtype=tf.float32) / size

    def within(middle: Any, side: Any) -> Any:
        return tf.abs(at - middle[:, 0, 0]) < side[:, 0, 0] / 2  # [N, size]

    rows, columns = (within(uniform(0.0, 1.0), uniform(0.15, 0.4)) for _ in "yx")
    return _some(chosen & rows[:, :, None, None] & columns[:, None, :, None], uniform(0.0, 255.0), x)


def _blur(x: Any) -> Any:
    """A 3x3 binomial blur."""
    tf = require_tensorflow()
    row = tf.constant([1.0, 2.0, 1.0]) / 4.0
    kernel = tf.tile((row[:, None] * row[None, :])[:, :, None, None], [1, 1, x.shape[3], 1])
    return tf.nn.depthwise_conv2d(
        tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC"), kernel, [1, 1, 1, 1], "VALID"
    )


def _jpeg(pictures: Any, chosen: Any, seed: Any) -> Any:
    """The chosen pictures, through a JPEG encoder of random quality."""
    tf = require_tensorflow()
    where, shape = tf.where(chosen), pictures.shape[1:]
    quality = tf.random.stateless_uniform([tf.shape(where)[0]], seed, 20, 80, tf.int32)
    coded = tf.map_fn(
        lambda one: tf.ensure_shape(
            tf.io.decode_jpeg(tf.raw_ops.EncodeJpegVariableQuality(images=one[0], quality=one[1]), channels=3), shape
        ),
        (tf.gather_nd(pictures, where), quality),
        fn_output_signature=tf.TensorSpec(shape, tf.uint8),
    )
    return tf.tensor_scatter_nd_update(pictures, where, coded)


def luma(x: Any) -> Any:
    """The luma, ``[..., 1]``, of colours ``[..., 3]``; a product of matrices takes a quarter of the time of a sum."""
    tf = require_tensorflow()
    return tf.matmul(x, tf.constant(BT601)[:, None])


def resize_colour(x: Any, size: int, channels: int) -> Any:
    """Pictures, float32 ``[N, s, s, 1 or 3]`` in 0..255, at another size and with 3 channels or 1 (luma)."""
    tf = require_tensorflow()
    if channels == 1 and x.shape[3] == 3:
        x = luma(x)
    if x.shape[1] != size:
        x = tf.image.resize(x, [size, size], "area" if size < x.shape[1] else "bilinear")
    return x


def to_student(x: Any, size: int, channels: int) -> Any:
    """Pictures as the network sees them: ``[N, size, size, channels]``, ``(pixel - 128) / 128``.

    Args:
        x: float32 ``[N, s, s, 1 or 3]`` in 0..255.
    """
    tf = require_tensorflow()
    return (tf.round(resize_colour(x, size, channels)) - 128.0) / 128.0
