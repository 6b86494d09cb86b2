"""Passes: Graph -> Graph, each exact to the last bit, each tested on its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from vww_deploy.compiler.folding import fold_constant_channels
from vww_deploy.graph.ir import Activation, Graph, Op
from vww_deploy.graph.operators.binary import tabulate_channels
from vww_deploy.graph.operators.copy import Copy
from vww_deploy.graph.operators.lookup import merge_lookups
from vww_deploy.graph.operators.reshape import Reshape


@dataclass(frozen=True)
class Pass:
    """A named pass; ``text`` tells the user what it does."""

    name: str
    text: str
    run: Callable[[Graph], Graph]


def tables_only(graph: Graph) -> Graph:
    """What makes one value of one value is a table, and a chain of such a single one."""
    return merge_lookups(tabulate_channels(graph))


def convolutions_only(graph: Graph) -> Graph:
    """Weighted layers that are convolutions in disguise become CONV_2D, whose kernel is the fastest.

    A depthwise convolution of one channel is a convolution; a dense layer is one whose window is the whole picture.
    """
    return graph.replace(ops=tuple(op.as_convolution(graph) for op in graph.ops))


def add_copies(graph: Graph) -> Graph:
    """Copies between height-width-channel order and planes where a tensor's order in memory matters to somebody else.

    The host sends the input interleaved, which only convolutions read; it reads the output interleaved; and RESHAPE is
    defined on that order.
    """
    activations = dict(graph.activations)
    ops: list[Op] = []

    def copy_of(activation: Activation, **changes: object) -> int:
        identity = max(activations) + 1
        activations[identity] = dataclasses.replace(activation, id=identity, **changes)  # type: ignore[arg-type]
        return identity

    renamed: dict[int, int] = {}
    source = graph.input_activation
    if not _same_in_both_orders(source) and not graph.takes_interleaved:
        planes = copy_of(source)
        ops.append(Copy(-1, "COPY", (graph.input,), planes, to_interleaved=False))
        renamed[graph.input] = planes
    for op in graph.ops:
        if isinstance(op, Reshape):
            tensor = renamed.get(op.inputs[0], op.inputs[0])
            if not _same_in_both_orders(activations[tensor]):
                flat = copy_of(activations[tensor])
                ops.append(Copy(-1, "COPY", (tensor,), flat, to_interleaved=True))
                tensor = flat
            ops.append(Copy(op.index, op.kind, (tensor,), op.output, to_interleaved=False))
            continue
        ops.append(dataclasses.replace(op, inputs=tuple(renamed.get(i, i) for i in op.inputs)))
    output = graph.output
    if not _same_in_both_orders(activations[output]):
        output = copy_of(activations[output])
        ops.append(Copy(-1, "COPY", (graph.output,), output, to_interleaved=True))
    return graph.replace(ops=tuple(ops), activations=activations, output=output)


def _same_in_both_orders(activation: Activation) -> bool:
    return activation.channels == 1 or activation.height * activation.width == 1


PASSES: Final = (
    Pass("tables", "arithmetic with a constant becomes a table, a table of a table one", tables_only),
    Pass("convolutions", "depthwise layers of one channel and dense layers become convolutions", convolutions_only),
    Pass("constants", "channels that no picture changes go into biases, unread ones away", fold_constant_channels),
    Pass("copies", "copies where the order of values in memory matters", add_copies),
)
"""All that the kernels rely on, in order."""
