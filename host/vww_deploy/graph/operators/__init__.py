"""One operator a module: its record, how it is read from a .tflite, its rows, its ranges, its channels.

An operator of this name has its rule in ``vww_deploy.compiler.kernels`` and its C++ in ``firmware/lib/vww_nn``;
one that is a view, or becomes another one, has neither.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from vww_deploy.graph.reading import Rule

OPERATORS: Final = (
    "add",
    "arg_max",
    "average_pool",
    "binary",
    "concatenation",
    "conv2d",
    "copy",
    "depthwise_conv2d",
    "dequantize",
    "fully_connected",
    "gather",
    "hard_swish",
    "leaky_relu",
    "logistic",
    "max_pool",
    "mean",
    "minimum",
    "mirror_pad",
    "pack",
    "pad",
    "reduce_max",
    "relu",
    "requantize",
    "reshape",
    "resize_bilinear",
    "resize_nearest_neighbor",
    "shape",
    "slice",
    "softmax",
    "space_to_depth",
    "strided_slice",
    "tanh",
    "transpose",
    "wide_conv2d",
)
"""The modules' names: the registry."""

READERS: Final[dict[str, Rule]] = {
    kind: rule for name in OPERATORS for kind, rule in import_module(f"{__name__}.{name}").READERS.items()
}
"""How each operator of a file is read, by its kind."""
