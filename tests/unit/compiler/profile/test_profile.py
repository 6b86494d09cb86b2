"""The cycle model against sequences costed by hand from the Cortex-M4's manual, and the profiler on small programs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.support.random_models import RandomModel
from vww_deploy.compiler import compile_model
from vww_deploy.compiler.profile import profile_engine
from vww_deploy.compiler.profile.cortex_m4 import REFILL, decode, sequence_cycles
from vww_deploy.compiler.profile.elf import Program
from vww_deploy.compiler.profile.engine import HARNESS
from vww_deploy.compiler.profile.instruction import Flow
from vww_deploy.compiler.profile.trace import run_traced
from vww_deploy.errors import BuildError

pytestmark = pytest.mark.skipif(
    shutil.which("arm-none-eabi-g++") is None or shutil.which("qemu-system-arm") is None,
    reason="needs arm-none-eabi-g++ and qemu-system-arm",
)

HEAD = ".syntax unified\n.thumb\n.cpu cortex-m4\n.fpu fpv4-sp-d16\n"

# Cycles by section 3.3.1 (table of instructions) and 3.3.3 (load/store pairings) of the Technical Reference Manual.
STRAIGHT = {
    "add r0, r1, r2; sub r3, r4; lsl r5, r6, #3": 3,
    "mul r0, r1, r2; mla r0, r1, r2, r3; smull r0, r1, r2, r3; smlal r0, r1, r2, r3": 4,
    "smlad r0, r1, r2, r3; smmlar r0, r1, r2, r3; sxtb16 r0, r1, ror #8; pkhbt r0, r1, r2, lsl #16; ssat r0, #8, r1": 5,
    "ldr r0, [r1]": 2,
    "ldr r0, [r1]; ldr r2, [r3]; ldr r4, [r5, #8]": 4,  # 2, then pipelined
    "ldr r0, [r1]; ldr r2, [r0]": 4,  # the address waits for the load
    "ldr r0, [r1]; add r2, r3; ldr r4, [r5]": 5,  # nothing to pair with
    "str r0, [r1, #4]": 1,  # the write buffer
    "str r0, [r1, r2]": 2,
    "ldr r0, [r1]; str r2, [r3, #4]": 3,
    "ldrd r0, r1, [r2]": 3,
    "strd r0, r1, [r2]": 3,
    "ldm r0, {r1, r2, r3, r4}": 5,
    "stm r0!, {r1, r2, r3}": 4,
    "push {r4, r5, r6, lr}": 5,
    "pop {r4, r5, r6}": 4,
    "ldrb r0, [r1]; ldrsb r2, [r3]; ldrh r4, [r5]": 4,
    "vldr s0, [r0]": 2,
    "vmul.f32 s0, s1, s2; vadd.f32 s3, s4, s5": 2,
    "vfma.f32 s0, s1, s2": 3,
    "vdiv.f32 s0, s1, s2": 14,
    "cmp r0, r1; it eq; moveq r0, r1": 2,  # the IT folds onto the 16-bit CMP
    "cmp.w r0, r8; it eq; moveq r0, r1": 3,
    "mrs r0, apsr": 2,
    "nop; dsb": 2,
}


@pytest.fixture(scope="module")
def assembled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The machine code of each straight sequence."""
    folder = tmp_path_factory.mktemp("sequences")
    text = HEAD + "".join(f".section .s{i}\n{sequence.replace('; ', chr(10))}\n" for i, sequence in enumerate(STRAIGHT))
    (folder / "s.s").write_text(text)
    subprocess.run(["arm-none-eabi-as", "-o", folder / "s.o", folder / "s.s"], check=True)
    code = {}
    for i, sequence in enumerate(STRAIGHT):
        binary = folder / f"{i}.bin"
        copy = ["arm-none-eabi-objcopy", "-O", "binary", "-j", f".s{i}", f"--set-section-flags=.s{i}=alloc"]
        subprocess.run([*copy, folder / "s.o", binary], check=True)
        code[sequence] = binary.read_bytes()
    return code


@pytest.mark.parametrize("sequence", STRAIGHT)
def test_straight_sequences_take_the_manuals_cycles(sequence: str, assembled: dict[str, bytes]) -> None:
    code, instructions, at = assembled[sequence], [], 0
    while at < len(code):
        size = 4 if code[at + 1] >> 3 >= 0b11101 else 2
        instructions.append(decode(at, code[at : at + size]))
        at += size
    assert len(instructions) == sequence.count(";") + 1
    assert sequence_cycles(instructions) == STRAIGHT[sequence]


def test_branches_are_told_apart() -> None:
    assert decode(0, bytes.fromhex("7047")).flow is Flow.ALWAYS_LEAVES  # bx lr
    assert decode(0, bytes.fromhex("f0bd")).flow is Flow.ALWAYS_LEAVES  # pop {r4-r7, pc}
    assert decode(0, bytes.fromhex("fdd1")).flow is Flow.MAY_FALL_THROUGH  # bne
    assert decode(0, bytes.fromhex("fde7")).flow is Flow.ALWAYS_LEAVES  # b
    assert decode(0, bytes.fromhex("10b1")).flow is Flow.MAY_FALL_THROUGH  # cbz


MAIN = """
extern "C" { void harness_begin(); void harness_end(); void harness_write(const void*, unsigned); }
__attribute__((noinline)) static int loop() {
  int count = 10;
  asm volatile("1: subs %0, #1\\n bne 1b" : "+l"(count));
  return count;
}
int main() {
  harness_begin();
  harness_end();
  harness_begin();
  loop();
  harness_end();
  harness_write("done", 4);
  BODY
  return 0;
}
"""


def build(folder: Path, body: str = "") -> Path:
    (folder / "main.cpp").write_text(MAIN.replace("BODY", body))
    elf = folder / "loop.elf"
    flags = ["-mcpu=cortex-m4", "-mthumb", "-O2", "-nostartfiles", "--specs=nano.specs", "-fno-exceptions"]
    sources = [HARNESS / "startup.cpp", folder / "main.cpp"]
    subprocess.run(["arm-none-eabi-g++", *flags, f"-L{HARNESS}", "-T", "mps2.ld", "-o", elf, *sources], check=True)
    return elf


def test_a_loop_is_counted_to_the_instruction(tmp_path: Path) -> None:
    elf = build(tmp_path)
    program = Program(elf)
    begin, end = program.function("harness_begin"), program.function("harness_end")
    trace = run_traced(elf, begin=begin.address, end=end.address)
    program.close()
    assert trace.output == b"done"
    assert len(trace.regions) == 2
    empty, filled = ((sum(s.instructions for s in steps), sum(s.cycles for s in steps)) for steps in trace.regions)
    # bl, movs, 10 subs, 10 bne, bx; gcc moves the counter once more to return it or not at all.
    extra_instructions = filled[0] - empty[0] - (1 + 1 + 10 + 10 + 1)
    assert 0 <= extra_instructions <= 2
    # Alone: bl 1, movs 1, subs 10, bne 10, bx 1; refills: bl, 9 times bne, bx.
    assert filled[1] - empty[1] - extra_instructions == 23 + 11 * REFILL


def test_a_program_that_faults_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vww_deploy.compiler.profile.trace._RUN_SECONDS", 5.0)
    elf = build(tmp_path, "for (;;) {}")
    program = Program(elf)
    begin, end = program.function("harness_begin").address, program.function("harness_end").address
    program.close()
    with pytest.raises(BuildError, match=r"loop\.elf"):
        run_traced(elf, begin=begin, end=end)


def test_copies_are_costs_of_the_layers_that_they_are_made_for() -> None:
    model = RandomModel(np.random.default_rng(1), 8, 6, 3)
    model.layer(4, 3, 1)
    model.concatenate(3)
    model.reshape()
    model.layer(5, 3, 1)
    found = profile_engine(compile_model(model.finish()))
    assert [layer.kind for layer in found.layers] == ["CONV_2D", "CONCATENATION", "RESHAPE", "CONV_2D"]
    assert all(layer.instructions > 0 for layer in found.layers)
    assert sum(layer.instructions for layer in found.layers) > 0.99 * found.instructions
