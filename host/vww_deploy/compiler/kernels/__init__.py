"""How each operator becomes a kernel call: a module of the operator's name, with its ``RULE``."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any, cast

from vww_deploy.compiler.kernels.kernel import InPlace, Kernel, KernelRule, KernelWork
from vww_deploy.errors import ModelError
from vww_deploy.graph.ir import Graph, Op

__all__ = ["InPlace", "Kernel", "KernelRule", "KernelWork", "lower", "rule_of"]


def rule_of(op: Op) -> KernelRule[Any]:
    """The rule of an operator: that of the module called as the one that defines its record."""
    return _rule(type(op).__module__.rpartition(".")[2])


@cache
def _rule(name: str) -> KernelRule[Any]:
    return cast("KernelRule[Any]", import_module(f"{__name__}.{name}").RULE)


def lower(graph: Graph, op: Op) -> Kernel:
    """The kernel call for an operator; raises ModelError for numbers that no kernel can hold."""
    try:
        return rule_of(op).lower(graph, op, interleaved=graph.is_interleaved(op.inputs[0]))
    except ValueError as error:
        raise ModelError(f"{graph.name}: {op.kind} '{graph.activations[op.output].name}': {error}") from error
