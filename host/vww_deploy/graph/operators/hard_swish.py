"""HARD_SWISH: a table of what LiteRT computes in 16 bits."""

from __future__ import annotations

from typing import Final

import numpy as np

from vww_deploy.graph.multipliers import quantize_multiplier
from vww_deploy.graph.operators.lookup import VALUES, tabulate
from vww_deploy.graph.ranges import Values
from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator


def read(reader: Reader, op: FileOperator) -> None:
    source = reader.activations[reader.value(op.inputs[0]).id].quantization
    out = reader.quantization(reader.tensors[op.outputs[0]])
    fine = np.float32(1 / 128) * np.float32(source.scale)
    output, output_shift = _narrow_multiplier(float(fine / np.float32(out.scale)))
    relu, relu_shift = _narrow_multiplier(float(fine / (np.float32(3) / np.float32(32768))))
    if output_shift > 0:
        raise RefusedError("its output scale is so small that TFLite refuses it, too")
    if relu_shift >= 30:
        raise RefusedError(f"an input scale of {source.scale:g}, with which LiteRT's own arithmetic overflows")
    value = (VALUES - source.zero_point) * 128
    preshift = _high_multiply(value, output)
    gate = value
    if relu_shift > 0:
        gate = _saturate(gate << (relu_shift - 1))
    gate = _high_multiply(gate, relu)
    if relu_shift > 0:
        gate = _saturate(gate << 1)
    if relu_shift < 0:
        gate = _divide(gate, -relu_shift)
    gate = (gate + (1 << 15)) >> 1
    product = gate * preshift
    product = np.where(product >= 0, product >> 15, -(-product >> 15))  # towards zero
    tabulate(reader, op, out.zero_point + _divide(product, -output_shift))


def _narrow_multiplier(real: float) -> tuple[int, int]:
    """A multiplier of 16 bits, and its shift."""
    multiplier, shift = quantize_multiplier(real)
    return (1 << 15) - 1 if multiplier >= (1 << 31) - 1 - (1 << 15) else (multiplier + (1 << 15)) >> 16, shift


def _saturate(values: Values) -> Values:
    return np.clip(values, -(1 << 15), (1 << 15) - 1)


def _high_multiply(values: Values, factor: int) -> Values:
    """The product of int16 fractions, rounded half up."""
    return _saturate((values * factor + (1 << 14)) >> 15)


def _divide(values: Values, exponent: int) -> Values:
    """By a power of two, rounded half away from zero."""
    if exponent == 0:
        return values
    half = 1 << (exponent - 1)
    result: Values = np.where(values >= 0, (values + half) >> exponent, -((-values + half) >> exponent))
    return result


READERS: Final = {"HARD_SWISH": read}
