"""A cycle model of the Cortex-M4 with zero wait states, after section 3.3 of Arm's Technical Reference Manual (r0p1).

What it knows: each instruction's cycles; single loads and stores that follow a load are pipelined; a taken branch
refills the pipeline; an IT folds onto a 16-bit instruction before it. What it leaves out: wait states and bus
contention, the second and third cycle of unaligned accesses, early ends of divisions (a fixed figure stands for 2 to 12
cycles) and the spread of the refill (1 to 3 cycles; one figure stands for all). Instructions that an IT block skips are
counted as if they ran, as QEMU counts them. Its figures compare code with code; they are no promise of milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

from vww_deploy.compiler.profile.instruction import Flow, Instruction, Timing
from vww_deploy.errors import ToolMissing
from vww_deploy.resources import install_extra

try:
    import capstone
    from capstone import arm
except ImportError as error:  # the "profile" extra
    raise ToolMissing("the profiler needs the package capstone", hint=install_extra("profile")) from error

REFILL: Final = 2
"""Cycles that a taken branch takes to refill the pipeline; the manual says 1 to 3."""
DIVIDE: Final = 7
"""Cycles of SDIV and UDIV; the manual says 2 to 12."""


def sequence_cycles(instructions: Sequence[Instruction], before: Instruction | None = None) -> int:
    """Cycles of instructions that run one after the other, the first one after ``before``."""
    total = 0
    for instruction in instructions:
        total += cycles_after(before, instruction)
        before = instruction
    return total


def cycles_after(before: Instruction | None, now: Instruction) -> int:
    """Cycles of an instruction that runs after another one, which overlaps with it where the pipeline lets it."""
    if before is None:
        return now.cycles
    if now.folds and before.size == 2:
        return 0
    if now.pipelined_access and before.loads and before.loads not in now.address_registers:
        return max(now.cycles - 1, 1)
    return now.cycles


def decode(address: int, data: bytes) -> Instruction:
    """The instruction in ``data`` (2 or 4 bytes, Thumb)."""
    found = next(_disassembler().disasm(data, address, 1), None)
    if found is None:
        # Some barriers and hints; one cycle each.
        return Instruction(address, len(data), data.hex(), "?", 1, Flow.NONE)
    return _Decoder(found, address, len(data)).instruction()


def thumb_size(data: bytes) -> int:
    """Bytes of the Thumb instruction that begins here: the first halfword tells."""
    return 4 if data[1] >> 3 >= 0b11101 else 2


@cache
def _disassembler() -> capstone.Cs:
    engine = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    engine.detail = True
    return engine


_MULTIPLE: Final = ("ldm", "stm", "push", "pop", "vldm", "vstm", "vpush", "vpop")
_CONDITIONAL: Final = ("cbz", "cbnz")
_FUSED_FLOAT: Final = ("vmla", "vmls", "vnmla", "vnmls", "vfma", "vfms", "vfnma", "vfnms")


class _Decoder:
    def __init__(self, found: capstone.CsInsn, address: int, size: int) -> None:
        self.found = found
        self.address = address
        self.size = size
        self.name: str = found.insn_name() if found.id else found.mnemonic
        self.registers = [o.reg for o in found.operands if o.type == arm.ARM_OP_REG]
        self.memory = [o.mem for o in found.operands if o.type == arm.ARM_OP_MEM]

    def instruction(self) -> Instruction:
        single_load = self.name.startswith("ldr") and self.name not in ("ldrd", "ldrexd")
        single_store = self.name.startswith("str") and self.name not in ("strd", "strexd")
        fills_pc = single_load and self.registers[0] == arm.ARM_REG_PC
        used = tuple(r for m in self.memory for r in (m.base, m.index) if r)
        return Instruction(
            address=self.address,
            size=self.size,
            text=f"{self.found.mnemonic} {self.found.op_str}".rstrip(),
            mnemonic=self.name,
            cycles=self._cycles(single_load, single_store),
            flow=self._flow(),
            loads=self.registers[0] if single_load and not fills_pc else 0,
            pipelined_access=single_load or single_store,
            address_registers=used if single_load or single_store else (),
            folds=self.name.startswith("it"),
        )

    def _cycles(self, single_load: bool, single_store: bool) -> int:
        name = self.name
        if single_load:
            return 2
        if single_store:
            return 2 if any(m.index for m in self.memory) else 1
        if name in ("ldrd", "strd", "ldrexd", "strexd"):
            return 3
        if name.startswith(_MULTIPLE):
            return 1 + self._transferred()
        if name in ("vldr", "vstr"):
            return 3 if self._is_double(self.registers[0]) else 2
        if name in ("sdiv", "udiv"):
            return DIVIDE
        if name in ("tbb", "tbh", "mrs", "msr"):
            return 2
        if name.startswith(_FUSED_FLOAT):
            return 3
        if name.startswith(("vdiv", "vsqrt")):
            return 14
        if name == "vmov" and len(self.registers) >= 3:
            return 2
        return 1

    def _transferred(self) -> int:
        """Registers that a multiple load or store moves; a double register counts as two words."""
        has_base = not self.name.startswith(("push", "pop", "vpush", "vpop"))
        moved = self.registers[1:] if has_base else self.registers
        return sum(2 if self._is_double(r) else 1 for r in moved)

    @staticmethod
    def _is_double(register: int) -> bool:
        return bool(arm.ARM_REG_D0 <= register <= arm.ARM_REG_D31)

    def _flow(self) -> Flow:
        if self.name in _CONDITIONAL:
            return Flow.MAY_FALL_THROUGH
        if self.name == "b":
            always = self.found.cc in (arm.ARM_CC_AL, arm.ARM_CC_INVALID)
            return Flow.ALWAYS_LEAVES if always else Flow.MAY_FALL_THROUGH
        if self.name in ("bl", "blx", "bx", "tbb", "tbh"):
            return Flow.ALWAYS_LEAVES
        if arm.ARM_REG_PC in self.found.regs_access()[1]:
            return Flow.ALWAYS_LEAVES
        return Flow.NONE


TIMING: Final = Timing(decode, thumb_size, cycles_after, REFILL)
