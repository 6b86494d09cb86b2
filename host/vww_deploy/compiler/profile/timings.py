"""Which model a core's instructions are read and costed by."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from vww_deploy.compiler.profile import cortex_m0plus, cortex_m4
from vww_deploy.compiler.profile.instruction import Flow, Instruction, Timing

if TYPE_CHECKING:
    import capstone


def riscv_size(data: bytes) -> int:
    """Bytes of the RISC-V instruction that begins here: compressed ones don't end with two ones."""
    return 4 if data[0] & 3 == 3 else 2


def decode_riscv(address: int, data: bytes) -> Instruction:
    """The instruction in ``data`` (2 or 4 bytes), for the listing: its cycles are not known."""
    found = next(_riscv().disasm_lite(data, address, 1), None)
    name, operands = (found[2], found[3]) if found else ("?", data.hex())
    return Instruction(address, len(data), f"{name} {operands}".rstrip(), name, 0, Flow.NONE)


@cache
def _riscv() -> capstone.Cs:
    import capstone

    return capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV32 | capstone.CS_MODE_RISCVC)


_THUMB: Final = Timing(cortex_m4.decode, cortex_m4.thumb_size)

TIMINGS: Final = {
    "cortex_m0plus": cortex_m0plus.TIMING,
    "cortex_m33": _THUMB,
    "cortex_m4": cortex_m4.TIMING,
    "cortex_m7": _THUMB,
    "rv32imc": Timing(decode_riscv, riscv_size),
}
"""By target. Arm states no cycles for the Cortex-M7 (two instructions at once) and M33, and cores of RV32IMC differ."""
