"""How many instructions a layer takes on a Cortex-M4, estimated before anything is built.

The figures are fitted to layers that :mod:`vww_deploy.compiler.profile` counted: ten MobileNets from 0.0625 to 0.5 and
48x48 to 160x160, and the models of ``docs/benchmarks.md``. :data:`MEASURED_ERROR` is the furthest that a whole network
lay from its estimate; a test counts one again.
"""

from __future__ import annotations

from typing import Final

from vww_deploy.graph.ir import Add, Conv2D, DepthwiseConv2D, FullyConnected, Graph, Mean, Op, Pad, Pool, Softmax

MEASURED_ERROR: Final = 0.14
MEASURED_NETWORKS: Final = 16
CYCLES_PER_INSTRUCTION: Final = 1.29
"""Modelled for the same networks: 1.26 to 1.34 with zero wait states."""


def estimate(op: Op, graph: Graph) -> int:
    """Instructions of one layer."""
    out, source = graph.activations[op.output], graph.activations[op.inputs[0]]
    places, outputs, macs = out.height * out.width, out.size, op.macs(graph)
    match op:
        case FullyConnected():
            found = 6 * macs + 200.0
        case Conv2D() if places == 1:  # four pixels at a time are computed, one is needed
            found = 6 * macs + 200.0 if op.window.kernel == (1, 1) else 3.0 * macs
        case Conv2D() if op.window.kernel == (1, 1):
            found = 0.81 * macs + 11.8 * outputs
        case DepthwiseConv2D() if source.channels > 1 or op.depth_multiplier == 1:
            if op.window.kernel != (3, 3):
                found = 4.5 * macs + 1500 * out.channels
            elif op.window.stride == (1, 1):
                found = 17.4 * outputs + 8.2 * out.height * out.channels + 150 * out.channels
            else:
                found = 30.0 * outputs + 150 * out.channels
        case Conv2D() | DepthwiseConv2D():  # a window of pixels is gathered for all channels at once
            found = 1.21 * macs + 8.4 * outputs + 73 * places
        case Add():
            found = 33.0 * outputs + 130 * out.channels
        case Pool():
            if op.kind == "MAX_POOL_2D":
                found = 22.0 * outputs + 200 * out.channels
            else:
                found = 120.0 * outputs + 7 * outputs * op.window.kernel[0] * op.window.kernel[1]
        case Mean():
            found = 95.0 * outputs + 6.1 * source.size
        case Pad():
            found = 9.0 * outputs + 160 * out.channels
        case Softmax():
            found = 350.0 * outputs
        case _:
            found = 10.0 * outputs
    return round(found)
