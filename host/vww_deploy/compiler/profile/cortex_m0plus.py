"""A cycle model of the Cortex-M0+ with zero wait states, after table 3-1 of Arm's Technical Reference Manual (r0p1).

The figures were written down without the manual at hand and have not been compared with it since. The multiplier is the
one of one cycle, as the RP2040 and the STM32G0 have it (the manual allows one of 32). Left out: wait states and bus
contention, and the single cycle that accesses to a single-cycle I/O port take.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vww_deploy.compiler.profile import cortex_m4
from vww_deploy.compiler.profile.instruction import Flow, Instruction, Timing

REFILL: Final = 1
"""A taken branch takes two cycles, one that is not taken one."""


def decode(address: int, data: bytes) -> Instruction:
    """The instruction in ``data`` (2 or 4 bytes, Thumb)."""
    found = cortex_m4.decode(address, data)
    return replace(found, cycles=_cycles(found))


def _cycles(found: Instruction) -> int:
    """Without the refill of a taken branch."""
    name = found.mnemonic
    if name.startswith(("push", "pop", "ldm", "stm")):
        return found.cycles + (found.flow is Flow.ALWAYS_LEAVES)  # 1 + N; 3 + N with a return
    if found.pipelined_access or found.mnemonic.startswith("ldr"):
        return 2
    if name == "bl":
        return 2
    if name in ("mrs", "msr", "dsb", "dmb", "isb"):
        return 3
    return 1


def cycles_after(_before: Instruction | None, now: Instruction) -> int:
    """Cycles of an instruction: nothing overlaps."""
    return now.cycles


TIMING: Final = Timing(decode, cortex_m4.thumb_size, cycles_after, REFILL)
