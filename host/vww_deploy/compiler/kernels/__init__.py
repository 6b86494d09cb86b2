"""How each operator becomes a kernel call: a module for each, of the operator's name, with its ``RULE``."""

from __future__ import annotations

from typing import Any

from vww_deploy.compiler.kernels import (
    add,
    average_pool,
    conv2d,
    copy,
    depthwise_conv2d,
    max_pool,
    mean,
    pad,
    requantize,
    softmax,
)
from vww_deploy.compiler.kernels.kernel import InPlace, Kernel, KernelRule, Work
from vww_deploy.errors import ModelError
from vww_deploy.graph import ir
from vww_deploy.graph.ir import Graph, Op

__all__ = ["InPlace", "Kernel", "KernelRule", "Work", "lower", "rule_of"]

_RULES: dict[type[Op], KernelRule[Any]] = {
    ir.Add: add.RULE,
    ir.Conv2D: conv2d.RULE,
    ir.Copy: copy.RULE,
    ir.DepthwiseConv2D: depthwise_conv2d.RULE,
    ir.Mean: mean.RULE,
    ir.Pad: pad.RULE,
    ir.Requantize: requantize.RULE,
    ir.Softmax: softmax.RULE,
}


def rule_of(op: Op) -> KernelRule[Any]:
    """The rule of an operator."""
    if isinstance(op, ir.Pool):
        return max_pool.RULE if op.kind == "MAX_POOL_2D" else average_pool.RULE
    return _RULES[type(op)]


def lower(graph: Graph, op: Op) -> Kernel:
    """The kernel call for an operator; raises ModelError for numbers that no kernel can hold."""
    try:
        return rule_of(op).lower(graph, op, interleaved=graph.is_interleaved(op.inputs[0]))
    except ValueError as error:
        raise ModelError(f"{graph.name}: {op.kind} '{graph.activations[op.output].name}': {error}") from error
