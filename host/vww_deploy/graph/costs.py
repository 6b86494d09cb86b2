"""The arithmetic of MobileNet v1: what depthwise separable convolutions save, and what a network of a given size costs.

Layer by layer from the table of the paper (Howard et al., 2017); :mod:`vww_deploy.training.mobilenet` builds the same
network, and a test holds the two together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from vww_deploy.errors import DataError

KERNEL: Final = 3
STEM_CHANNELS: Final = 32
BLOCKS: Final[tuple[tuple[int, int], ...]] = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
)
"""Output channels at depth multiplier 1 and stride of the 13 depthwise separable blocks."""


@dataclass(frozen=True)
class Published:
    """A row of the published table: millions of multiply-accumulates and parameters, ImageNet top-1 in percent."""

    depth_multiplier: float
    size: int
    macs_m: float
    parameters_m: float
    imagenet_top1: float


PUBLISHED: Final = (
    Published(1.0, 224, 569, 4.24, 70.7),
    Published(1.0, 128, 186, 4.14, 64.1),
    Published(0.75, 224, 317, 2.59, 68.4),
    Published(0.75, 128, 104, 2.59, 61.8),
    Published(0.5, 224, 150, 1.34, 64.0),
    Published(0.5, 128, 49, 1.34, 56.2),
    Published(0.25, 224, 41, 0.47, 50.6),
    Published(0.25, 128, 14, 0.47, 41.2),
)
"""MobileNet v1 as published for ImageNet: 3 channels, 1000 classes."""


@dataclass(frozen=True)
class LayerCost:
    """One layer: its output ``(height, width, channels)``, multiply-accumulates, and parameters after batch
    normalisation is folded into weights and biases (``parameters``) and before (``trained_parameters``, without
    running statistics)."""

    name: str
    shape: tuple[int, int, int]
    macs: int
    parameters: int
    trained_parameters: int


@dataclass(frozen=True)
class NetworkCost:
    """A whole network."""

    depth_multiplier: float
    height: int
    width: int
    channels: int
    classes: int
    layers: tuple[LayerCost, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(layer.macs for layer in self.layers)

    @property
    def parameters(self) -> int:
        """Weights and biases that a device stores."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def trained_parameters(self) -> int:
        """What is trained: weights, the classifier's biases, and a scale and an offset for each normalised channel."""
        return sum(layer.trained_parameters for layer in self.layers)

    @property
    def int8_bytes(self) -> int:
        """Weights in int8, biases in int32, and an int32 multiplier and shift for each channel of a convolution."""
        return sum(
            layer.parameters + 3 * layer.shape[2] + 8 * layer.shape[2] for layer in self.layers if layer.parameters
        )


def standard_macs(kernel: int, inputs: int, outputs: int, side: int) -> int:
    """Multiply-accumulates of a standard convolution: ``D_K D_K M N D_F D_F``, ``side`` being the output's."""
    return kernel * kernel * inputs * outputs * side * side


def separable_macs(kernel: int, inputs: int, outputs: int, side: int, depth_multiplier: float = 1.0) -> int:
    """Of a depthwise separable one: ``D_K D_K aM D_F D_F + aM aN D_F D_F``."""
    narrow, wide = scaled(inputs, depth_multiplier), scaled(outputs, depth_multiplier)
    return (kernel * kernel * narrow + narrow * wide) * side * side


def separable_ratio(kernel: int, outputs: int) -> float:
    """Separable over standard: ``1/N + 1/D_K^2``."""
    return 1.0 / outputs + 1.0 / (kernel * kernel)


def scaled(channels: int, depth_multiplier: float) -> int:
    """Channels after the depth multiplier; at least 1."""
    return max(1, int(channels * depth_multiplier))


def mobilenet_v1(
    depth_multiplier: float = 0.25, height: int = 96, width: int = 96, channels: int = 1, classes: int = 2
) -> NetworkCost:
    """The costs of MobileNet v1.

    Raises:
        DataError: these numbers make no network.
    """
    if not 0 < depth_multiplier < math.inf or min(height, width, channels, classes) < 1:
        raise DataError(
            f"depth multiplier {depth_multiplier:g}, input {height}x{width}x{channels}, {classes} classes: no network",
            hint="The depth multiplier is a number above 0, the others are at least 1.",
        )
    layers = []
    h, w, wide = -(-height // 2), -(-width // 2), scaled(STEM_CHANNELS, depth_multiplier)
    layers.append(_conv("conv0", h, w, KERNEL * KERNEL * channels, wide))
    for index, (filters, stride) in enumerate(BLOCKS, start=1):
        h, w = -(-h // stride), -(-w // stride)
        layers.append(_conv(f"dw{index}", h, w, KERNEL * KERNEL, wide))
        narrow, wide = wide, scaled(filters, depth_multiplier)
        layers.append(_conv(f"pw{index}", h, w, narrow, wide))
    layers.append(LayerCost("classes", (1, 1, classes), wide * classes, (wide + 1) * classes, (wide + 1) * classes))
    return NetworkCost(depth_multiplier, height, width, channels, classes, tuple(layers))


def _conv(name: str, height: int, width: int, taps: int, outputs: int) -> LayerCost:
    """A convolution of ``taps`` inputs an output, with its batch normalisation."""
    weights = taps * outputs
    return LayerCost(name, (height, width, outputs), weights * height * width, weights + outputs, weights + 2 * outputs)
