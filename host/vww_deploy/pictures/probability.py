"""What a model's int8 outputs say: P(person)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from vww_deploy.graph.ir import Quantization

_SOFTMAX_OUTPUT: Final = Quantization(1 / 256, -128)  # TFLite gives every int8 SOFTMAX and LOGISTIC output this one


def person_probability(outputs: npt.NDArray[np.int8], quantization: Quantization, labels: Sequence[str]) -> float:
    """P(person), 0..1, from a model's int8 outputs.

    Outputs in the quantisation that TFLite gives to SOFTMAX are probabilities already; any other are logits and go
    through a softmax (a sigmoid if there is only one). The person's output is the one labelled ``person``, or the last.
    """
    index = labels.index("person") if "person" in labels and len(labels) == outputs.size else outputs.size - 1
    real = (outputs.astype(np.float64).reshape(-1) - quantization.zero_point) * quantization.scale
    if (
        math.isclose(quantization.scale, _SOFTMAX_OUTPUT.scale)
        and quantization.zero_point == _SOFTMAX_OUTPUT.zero_point
    ):
        return float(real[index])
    if real.size == 1:
        return float(1.0 / (1.0 + np.exp(-real[0])))
    powers = np.exp(real - real.max())
    return float(powers[index] / powers.sum())
