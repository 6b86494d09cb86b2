"""Layers whose weights have a zero point, as uint8 models of TensorFlow 1 have them: in whatever groups of channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from vww_deploy.graph.geometry import Window
from vww_deploy.graph.ir import WeightedOp
from vww_deploy.graph.operators.weighted import WindowedOp
from vww_deploy.graph.reading import Rule, Weights


@dataclass(frozen=True, eq=False)
class WideConv2D(WindowedOp):
    """Convolution by ``weights`` less their zero point, which needs more than 8 bits.

    ``weights`` int8 [out, kernel_h, kernel_w, in / groups]; a depthwise layer has as many groups as input channels.
    """

    zero_point: int
    groups: int = 1


def wide_or(narrow: WeightedOp, weights: Weights, window: Window, groups: int = 1) -> WeightedOp:
    """A layer by int16 ``weights`` [out, kernel_h, kernel_w, in / groups] in place of one by int8 ones, if need be."""
    if weights.dtype == np.int8:
        return narrow
    # A file's weights are 8 bits and a zero point; any that makes them 8 bits will do.
    zero_point = -128 - int(weights.min())
    return WideConv2D(
        narrow.index,
        narrow.kind,
        narrow.inputs,
        narrow.output,
        (weights + zero_point).astype(np.int8),
        narrow.requantization,
        window,
        zero_point,
        groups,
    )


READERS: Final[Mapping[str, Rule]] = {}
