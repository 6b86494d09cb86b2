"""A wide network whose slices are the candidates: trained once, its weights rank them (Cai et al., 2020).

Channels are sliced from the first on, kernels around their middle, and each stage gives its first blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median_low
from typing import Any

import numpy as np

from vww_deploy.graph.architecture import Architecture, Block
from vww_deploy.search.space import Staged
from vww_deploy.training.mobilenet import NORMALISATION_EPSILON, build_network, require_tensorflow

Values = Mapping[str, Any]
"""Weights by ``layer/weight``."""


def covering(networks: Sequence[Staged], choose: Callable[[Iterable[int]], int]) -> Staged:
    """The network of one kind that has the largest (``max``) or smallest (``min``) of each size of some networks.

    Its pictures have the median side: weights do not depend on it, and the widest network on the largest pictures
    would take most of the time.
    """
    architectures = [one.architecture for one in networks]
    blocks: list[Block] = []
    depths = []
    for stages in zip(*(one.stages() for one in networks), strict=True):
        firsts = [stage[0] for stage in stages]
        depth = choose(len(stage) for stage in stages)
        block = Block(
            channels=choose(one.channels for one in firsts),
            kernel=choose(one.kernel for one in firsts),
            stride=max(one.stride for one in firsts),
            expansion=choose(one.expansion for one in firsts),
        )
        blocks += [block, *[Block(block.channels, block.kernel, 1, block.expansion)] * (depth - 1)]
        depths.append(depth)
    whole = Architecture(
        architectures[0].kind,
        median_low(one.side for one in architectures),
        3,
        choose(one.stem for one in architectures),
        tuple(blocks),
    )
    return Staged(whole, tuple(depths))


def inherited(parent: Staged, values: Values, child: Staged) -> dict[str, Any]:
    """The slices of the parent's weights that are a child's; gradients flow back through them."""
    tf = require_tensorflow()
    place = [0]
    for stage, depth in enumerate(child.depths):
        before = sum(parent.depths[:stage])
        place += [before + index + 1 for index in range(depth)]
    found: dict[str, Any] = {}
    for one in child.architecture.convolutions():
        theirs = f"{one.name.rstrip('0123456789')}{place[one.block]}"
        kernel = values[f"{theirs}/kernel"]
        border = (kernel.shape[0] - one.kernel) // 2
        kernel = kernel[border : border + one.kernel, border : border + one.kernel]
        if one.name == "conv0" and one.inputs == 1:
            kernel = tf.reduce_sum(kernel, axis=2, keepdims=True)  # gray is the same in all three colours
        sizes = (one.inputs, 1) if one.depthwise else (one.inputs, one.outputs)
        found[f"{one.name}/kernel"] = kernel[:, :, : sizes[0], : sizes[1]]
        for name in ("gamma", "beta"):
            found[f"{one.name}/{name}"] = values[f"{theirs}/{name}"][: one.outputs]
    found["classes/kernel"] = values["classes/kernel"][: child.architecture.blocks[-1].channels]
    found["classes/bias"] = values["classes/bias"]
    return found


def first_values(architecture: Architecture) -> dict[str, Any]:
    """Untrained weights, as the Keras network begins with."""
    model = build_network(architecture, (None, None))
    found = {}
    for one in architecture.convolutions():
        found[f"{one.name}/kernel"] = model.get_layer(one.name).kernel.numpy()
        found[f"{one.name}/gamma"] = np.ones(one.outputs, np.float32)
        found[f"{one.name}/beta"] = np.zeros(one.outputs, np.float32)
    found["classes/kernel"], found["classes/bias"] = model.get_layer("classes").get_weights()
    return found


def forward(
    architecture: Architecture, values: Values, x: Any, statistics: dict[str, tuple[Any, Any]] | None = None
) -> Any:
    """Log odds of a person, ``[N]``, of pictures ``[N, side, side, channels]`` in -1..1.

    Args:
        statistics: mean and variance of each normalisation. None takes the batch's own; an empty dictionary as well,
            and is filled with them.
    """
    tf = require_tensorflow()
    block, block_input = 0, x
    measuring = not statistics
    for one in architecture.convolutions():
        if one.block != block:
            block, block_input = one.block, x
        convolve = tf.nn.depthwise_conv2d if one.depthwise else tf.nn.conv2d
        x = convolve(x, values[f"{one.name}/kernel"], [1, one.stride, one.stride, 1], "SAME")
        none = tf.zeros([0])
        mean, variance = (none, none) if measuring or statistics is None else statistics[one.name]
        x, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=values[f"{one.name}/gamma"],
            offset=values[f"{one.name}/beta"],
            mean=mean,
            variance=variance,
            epsilon=NORMALISATION_EPSILON,
            is_training=measuring,
        )
        if statistics is not None and measuring:
            statistics[one.name] = mean, variance
        if one.relu6:
            x = tf.nn.relu6(x)
        if one.residual:
            x = x + block_input
    logits = tf.reduce_mean(x, axis=[1, 2]) @ values["classes/kernel"] + values["classes/bias"]
    return logits[:, 1] - logits[:, 0]
