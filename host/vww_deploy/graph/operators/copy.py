"""Copies between memory orders, which the compiler puts in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from vww_deploy.graph.ir import Op
from vww_deploy.graph.reading import Rule


@dataclass(frozen=True, eq=False)
class Copy(Op):
    """Copies planes to height, width, channel order, or back; ours, not the file's."""

    to_interleaved: bool

    reads_interleaved: ClassVar[bool] = True


READERS: Final[Mapping[str, Rule]] = {}
