"""What values every element of every tensor can take: interval arithmetic over the whole network, exact to the bit.

An element whose interval is a single value is known before any picture is seen. Intervals are kept for every position,
so that the borders of padded layers, where fewer taps meet real pixels, come out right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vww_deploy.graph.ir import (
    Activation,
    Add,
    Conv2D,
    DepthwiseConv2D,
    Graph,
    Mean,
    Op,
    Pad,
    Pool,
    Requantization,
    Requantize,
    Window,
)
from vww_deploy.graph.multipliers import mean_multiplier

Values = npt.NDArray[np.int64]
Factor = int | Values


@dataclass(frozen=True, eq=False)
class Range:
    """The least and greatest value of every element, int64 [height, width, channels]."""

    low: Values
    high: Values

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """By channel: True where no element depends on the input."""
        result: npt.NDArray[np.bool_] = (self.low == self.high).all(axis=(0, 1))
        return result


def ranges_of(graph: Graph) -> Mapping[int, Range]:
    """The range of every activation."""
    ranges = {graph.input: _anything(graph.input_activation)}
    for op in graph.ops:
        ranges[op.output] = _range(graph, op, ranges)
    return ranges


def _anything(activation: Activation) -> Range:
    return Range(np.full(activation.shape, -128, np.int64), np.full(activation.shape, 127, np.int64))


def _range(graph: Graph, op: Op, ranges: Mapping[int, Range]) -> Range:
    source, out = graph.activations[op.inputs[0]], graph.activations[op.output]
    given = ranges[op.inputs[0]]
    zero_point = source.quantization.zero_point
    if isinstance(op, Conv2D | DepthwiseConv2D):
        accumulate = conv_sums if isinstance(op, Conv2D) else depthwise_sums
        positive, negative = np.maximum(op.weights, 0), np.minimum(op.weights, 0)
        shape = (out.height, out.width)
        low, high = given.low - zero_point, given.high - zero_point
        least = accumulate(positive, low, op.window, shape) + accumulate(negative, high, op.window, shape)
        most = accumulate(positive, high, op.window, shape) + accumulate(negative, low, op.window, shape)
        offset = out.quantization.zero_point
        return Range(requantized(least, op.requantization, offset), requantized(most, op.requantization, offset))
    if isinstance(op, Pool):
        pool = _max_pool if op.kind == "MAX_POOL_2D" else _average_pool
        return Range(*(pool(values, op, out) for values in (given.low, given.high)))
    if isinstance(op, Add):
        other = ranges[op.inputs[1]]
        return Range(_add(graph, op, given.low, other.low), _add(graph, op, given.high, other.high))
    if isinstance(op, Mean):
        return Range(*(_mean(values, op, source, out) for values in (given.low, given.high)))
    if isinstance(op, Requantize):
        return Range(
            *(
                np.clip(scaled(v - zero_point, op.multiplier, op.shift) + out.quantization.zero_point, -128, 127)
                for v in (given.low, given.high)
            )
        )
    if isinstance(op, Pad):
        padding = op.padding
        amounts = (
            (padding.top, padding.bottom),
            (padding.left, padding.right),
            (op.channels_before, op.channels_after),
        )
        return Range(
            np.pad(given.low, amounts, constant_values=zero_point),
            np.pad(given.high, amounts, constant_values=zero_point),
        )
    return _anything(out)


def conv_sums(weights: npt.NDArray[np.int8], values: Values, window: Window, shape: tuple[int, int]) -> Values:
    """Sums of weights [out, kernel_h, kernel_w, in] over values [h, w, in], zeros around them: [*shape, out]."""
    result = np.zeros((*shape, weights.shape[0]))
    for ky, kx, taps in _taps(values, window, shape):
        # Products of small integers summed in doubles are exact.
        result += taps.astype(np.float64) @ weights[:, ky, kx, :].T.astype(np.float64)
    return result.astype(np.int64)


def depthwise_sums(weights: npt.NDArray[np.int8], values: Values, window: Window, shape: tuple[int, int]) -> Values:
    """The same for depthwise weights [kernel_h, kernel_w, out]."""
    multiplier = weights.shape[2] // values.shape[2]
    result = np.zeros((*shape, weights.shape[2]), np.int64)
    for ky, kx, taps in _taps(values, window, shape):
        result += np.repeat(taps, multiplier, axis=2) * weights[ky, kx].astype(np.int64)
    return result


def _taps(values: Values, window: Window, shape: tuple[int, int]) -> list[tuple[int, int, Values]]:
    """For every kernel position the values [*shape, channels] that it meets, zero outside."""
    sides = zip(shape, window.stride, window.kernel, window.dilation, strict=True)
    reach = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in sides]
    padded = np.zeros((max(reach[0], 0), max(reach[1], 0), values.shape[2]), values.dtype)
    top, left = window.padding.top, window.padding.left
    part = values[: max(reach[0] - top, 0), : max(reach[1] - left, 0)]
    padded[top : top + part.shape[0], left : left + part.shape[1]] = part
    taps = []
    for ky in range(window.kernel[0]):
        for kx in range(window.kernel[1]):
            y, x = ky * window.dilation[0], kx * window.dilation[1]
            rows = slice(y, y + (shape[0] - 1) * window.stride[0] + 1, window.stride[0])
            columns = slice(x, x + (shape[1] - 1) * window.stride[1] + 1, window.stride[1])
            taps.append((ky, kx, padded[rows, columns]))
    return taps


def _max_pool(values: Values, op: Pool, out: Activation) -> Values:
    # Outside counts as smaller than everything: shifted so that the zeros around are below all values.
    taps = _taps(values + 200, op.window, (out.height, out.width))
    best: Values = np.max(np.stack([tap for _, _, tap in taps]), axis=0) - 200
    return np.clip(best, op.clamp_min, op.clamp_max)


def _average_pool(values: Values, op: Pool, out: Activation) -> Values:
    shape = (out.height, out.width)
    total = sum(tap for _, _, tap in _taps(values, op.window, shape))
    count = sum(tap for _, _, tap in _taps(np.ones_like(values), op.window, shape))
    half = count // 2
    average = np.where(total > 0, (total + half) // count, -((-total + half) // count))
    return np.clip(average, op.clamp_min, op.clamp_max)


def _mean(values: Values, op: Mean, source: Activation, out: Activation) -> Values:
    count = int(np.prod([source.shape[axis] for axis in op.axes], dtype=np.int64))
    multiplier, shift = mean_multiplier(op.multiplier, op.shift, count)
    total = values.sum(axis=op.axes, keepdims=True) - count * source.quantization.zero_point
    return np.clip(scaled(total, multiplier, shift) + out.quantization.zero_point, -128, 127)


def _add(graph: Graph, op: Add, left: Values, right: Values) -> Values:
    total: Values = np.zeros_like(left)
    for i, values in enumerate((left, right)):
        offset = graph.activations[op.inputs[i]].quantization.zero_point
        total = total + scaled((values - offset) << 20, op.multipliers[i], op.shifts[i])
    zero_point = graph.activations[op.output].quantization.zero_point
    return np.clip(scaled(total, op.multipliers[2], op.shifts[2]) + zero_point, op.clamp_min, op.clamp_max)


def scaled(values: Values, multiplier: Factor, shift: Factor) -> Values:
    """TFLite's MultiplyByQuantizedMultiplier: a rounding doubling high multiply, then a rounding right shift."""
    left, right = np.maximum(shift, 0), np.maximum(np.negative(shift), 0)
    high = ((values << left) * multiplier + (np.int64(1) << 30)) >> 31
    half = np.where(right > 0, np.int64(1) << np.maximum(right - 1, 0), 0)
    return np.where(high >= 0, (high + half) >> right, -((-high + half) >> right))


def requantized(sums: Values, requantization: Requantization, zero_point: int) -> Values:
    """The reference's scaling of accumulators [..., out] (without bias) to int8 values."""
    r = requantization
    sums = sums + r.bias.astype(np.int64)
    multiplier, shift = r.multiplier.astype(np.int64), r.shift.astype(np.int64)
    result: Values
    if r.rounds_once:
        total = 31 - shift
        result = (sums * multiplier + (np.int64(1) << (total - 1))) >> total
    else:
        result = scaled(sums, multiplier, shift)
    return np.clip(result + zero_point, r.clamp_min, r.clamp_max)
