"""All that decides what a training results in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vww_deploy.graph.architecture import Architecture
from vww_deploy.training.augment import Augmentation


@dataclass(frozen=True)
class Recipe:
    """All that decides a training's result."""

    depth_multiplier: float = 0.25
    """Of MobileNet v1."""
    architecture: Architecture | None = None
    """Another network, which ``size`` and ``channels`` must agree with; None is MobileNet v1."""
    size: int = 96
    channels: int = 1
    epochs: int = 60
    batch: int = 32
    learning_rate: float = 4e-3
    warmup_epochs: float = 1.0
    weight_decay: float = 0.02
    ema_decay: float = 0.998
    """Of the exponential moving average of the weights, a step."""
    distillation_weight: float = 0.5
    """Weight of the teacher's answer against the picture's own label."""
    distillation_weight_one_label: float = 0.75
    """The same for pictures of a source that knows one label only: there the source gives the label away."""
    temperature: float = 1.6
    """What the teacher's log odds are divided by: networks are surer than they are right."""
    gray_weight: float = 0.4
    """Weight of the teacher's answer without colour against the one with colour, for a network that sees none."""
    feature_loss: float = 2.0
    """Weight of the distance from the teacher's feature maps at the start; it falls to 0."""
    views: int = 10
    """Random views of every picture that are made, once, and shown in turn."""
    early_size: int = 0
    """Side in pixels of the first ``early_part`` of the epochs; 0 is ``size``. Smaller pictures cost less."""
    early_part: float = 0.5
    seed: int = 1
    augmentation: Augmentation = field(default_factory=Augmentation)

    def network(self, size: int | None = None, *, fused: bool = False) -> Any:
        """The untrained network in Keras, for pictures of a side in pixels, or of any.

        Raises:
            DataError: the recipe describes no network.
            ToolMissing: TensorFlow is not installed.
        """
        from vww_deploy.training.mobilenet import build_mobilenet_v1, build_network

        if self.architecture is not None:
            return build_network(self.architecture, (size, size), fused=fused)
        return build_mobilenet_v1(self.depth_multiplier, (size, size, self.channels), fused=fused)
