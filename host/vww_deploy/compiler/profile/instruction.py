"""A decoded machine instruction, and how a core's instructions are read and costed."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass


class Flow(enum.Enum):
    """How an instruction ends a run of instructions, if it does."""

    NONE = 0
    MAY_FALL_THROUGH = 1
    ALWAYS_LEAVES = 2


@dataclass(frozen=True)
class Instruction:
    """One decoded instruction: ``cycles`` taken alone, without the refill of a taken branch."""

    address: int
    size: int
    text: str
    mnemonic: str
    cycles: int
    flow: Flow
    loads: int = 0
    """The register that a single load fills; 0 for everything else."""
    pipelined_access: bool = False
    """A single load or store."""
    address_registers: tuple[int, ...] = ()
    folds: bool = False
    """An IT, which costs nothing after a 16-bit instruction."""


@dataclass(frozen=True)
class Timing:
    """How the instructions of a core are read and costed.

    Attributes:
        decode: the instruction at an address in its bytes.
        size: of the instruction that begins with these bytes.
        cycles_after: of an instruction that runs after another one; None where nobody states the core's timings.
        refill: cycles that a taken branch takes to refill the pipeline.
    """

    decode: Callable[[int, bytes], Instruction]
    size: Callable[[bytes], int]
    cycles_after: Callable[[Instruction | None, Instruction], int] | None = None
    refill: int = 0
