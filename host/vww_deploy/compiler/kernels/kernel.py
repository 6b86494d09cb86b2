"""What the compiler asks of an operator's kernel: one rule for each, in a file of the operator's name."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from vww_deploy.compiler.kernels.params import Params
from vww_deploy.graph.ir import Graph, Op

OpT = TypeVar("OpT", bound=Op)


class InPlace(enum.Flag):
    """When a kernel may write its output over its first reader's input."""

    NEVER = 0
    ROWS = enum.auto()
    """Row by row, in a band too: every output row needs the same input row only."""
    SAME = enum.auto()
    """All rows in one call, where both have one height and width, in any layout."""
    SHRINK = enum.auto()
    """All rows in one call, planes only, where the output is no higher and no wider."""
    ANY = enum.auto()
    """All rows in one call, whatever the shapes."""
    BACKWARD = enum.auto()
    """From the last row to the first, where each row becomes wider."""


@dataclass(frozen=True, eq=False)
class Kernel:
    """A layer as the emitter needs it.

    ``function`` is a kernel of vww_nn and ``source`` the name of its files; ``params`` its parameter struct;
    ``arrays`` the constants (name, C type, values) that the parameters name as ``$name``.
    """

    function: str
    source: str
    params: Params | None = None
    arrays: tuple[tuple[str, str, npt.NDArray[np.generic]], ...] = ()
    scratch_bytes: int = 0

    @property
    def constant_bytes(self) -> int:
        """Flash that the arrays take."""
        return sum(array.nbytes for _, _, array in self.arrays)


@dataclass(frozen=True)
class KernelWork:
    """What a layer does, for a target's table of instructions: a row of it, and how much of each of its amounts."""

    case: str
    amounts: Mapping[str, float] = field(default_factory=dict)


class Site(Protocol):
    """Where a call is written: names of the things that it may mention."""

    @property
    def params(self) -> str:
        """The layer's parameter struct."""

    @property
    def rows(self) -> str:
        """The output rows of this call: ``begin, end``."""

    def view(self, tensor: int, **changes: int) -> str:
        """The view of an activation, some of whose fields may be given otherwise."""

    def fields(self, tensor: int) -> tuple[int, int, int, int]:
        """(offset, channel stride, row stride, rows) of an activation's view."""

    def array(self, name: str) -> str:
        """One of the kernel's constants."""

    def address(self, tensor: int) -> str:
        """Where an activation begins."""

    def scratch(self) -> str:
        """The layer's scratch memory, or ``nullptr``."""


class KernelRule(Generic[OpT]):
    """How an operator becomes a kernel call. ``name`` is that of its files."""

    name: str

    def lower(self, graph: Graph, op: OpT, *, interleaved: bool) -> Kernel:
        """The kernel and its constants; ``interleaved`` tells that the input lies as the host sends it.

        Raises ValueError for numbers that the kernel cannot hold.
        """
        raise NotImplementedError

    def in_place(self, graph: Graph, op: OpT) -> InPlace:
        """When the output may take an input's memory over."""
        return InPlace.NEVER

    def call(self, graph: Graph, op: OpT, kernel: Kernel, site: Site) -> list[str]:
        """C++ statements that compute some rows."""
        views = ", ".join(site.view(i) for i in (*op.inputs, op.output))
        return [f"vww::{kernel.function}({site.params}, {views}, {site.rows});"]

    def work(self, graph: Graph, op: OpT) -> KernelWork:
        """What the whole layer takes."""
        return KernelWork(self.name, {"outputs": graph.activations[op.output].size})

    def work_of_rows(self, graph: Graph, op: OpT, calls: int) -> KernelWork:
        """What comes on top when the layer is computed in so many calls, a few rows each."""
        return KernelWork("rows", {"calls": calls})

    def work_of_short_rows(self, graph: Graph, op: OpT) -> KernelWork:
        """What comes on top when rows are not contiguous, so that blocks of pixels end with each row."""
        return KernelWork("rows")
