"""Runs kernels on generated layers: on the host (portable path) and on emulated cores."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from vww_deploy import resources
from vww_deploy.compiler.kernels.conv2d import conv_scratch_bytes, pack_conv
from vww_deploy.compiler.kernels.depthwise_conv2d import depthwise_scratch_bytes, pack_depthwise
from vww_deploy.compiler.kernels.scaling import Scale
from vww_deploy.compiler.profile.engine import FLAGS, HARNESS
from vww_deploy.compiler.targets import Target
from vww_deploy.compiler.targets.cortex_m4 import TARGET as CORTEX_M4
from vww_deploy.graph.multipliers import quantize_multiplier

NN = resources.firmware_dir() / "lib" / "vww_nn"
needs_arm = pytest.mark.skipif(
    shutil.which("arm-none-eabi-g++") is None or shutil.which("qemu-system-arm") is None,
    reason="needs arm-none-eabi-g++ and qemu-system-arm",
)
ON_BOTH_PATHS = pytest.mark.parametrize(
    "target", [pytest.param(None, id="portable"), pytest.param(CORTEX_M4, id="dsp", marks=needs_arm)]
)
"""On the host, whose kernels are the portable ones, and with the DSP extension's on an emulated Cortex-M4."""


@dataclass
class Case:
    """One kernel call: declarations, what comes before it, the call, the buffer it fills, and what that must hold."""

    name: str
    declarations: str
    setup: str
    call: str
    out: str
    expected: npt.NDArray[np.int8]
    macs: int = 0


def carray(ctype: str, name: str, values: npt.NDArray[np.generic]) -> str:
    """A C array definition, aligned to 4."""
    body = ",".join(str(int(v)) for v in values.reshape(-1))
    return f"alignas(4) static const {ctype} {name}[] = {{{body}}};\n"


_HEAD = """#include <stddef.h>
#include <string.h>
INCLUDES
using namespace vww;
extern "C" {
void harness_write(const void*, size_t);
void harness_begin();
void harness_end();
}
alignas(8) [[maybe_unused]] static int8_t in_buffer[36864], out_buffer[36864], scratch[8192];
"""
_HOST_MAIN = """#include <stdio.h>
extern "C" {
void harness_write(const void* data, size_t size) { fwrite(data, 1, size, stdout); }
void harness_begin() {}
void harness_end() {}
}
"""


def source(cases: list[Case]) -> str:
    """A program that makes every call once between the profiler's markers and writes the buffers out."""
    includes = "\n".join(f'#include "{path.name}"' for path in sorted(NN.glob("*.h")))
    text = (
        _HEAD.replace("INCLUDES", includes)
        + "".join(f"// {c.name}\n{c.declarations}" for c in cases)
        + "int main() {\n"
    )
    for c in cases:
        text += f"  memset(out_buffer, 0, sizeof out_buffer);\n  {c.setup}\n"
        text += f"  harness_begin();\n  {c.call}\n  harness_end();\n  harness_write({c.out}, {c.expected.size});\n"
    return text + "  return 0;\n}\n"


def build(cases: list[Case], folder: Path, *, target: Target | None, flags: tuple[str, ...] = ()) -> Path:
    """Compiles the cases with the kernels, for this machine without a target; the program's path."""
    folder.mkdir(parents=True, exist_ok=True)
    main = folder / "cases.cpp"
    main.write_text(source(cases))
    program = folder / ("cases.elf" if target else "cases")
    kernels = [str(p) for p in sorted(NN.glob("*.cpp")) if any(re.search(rf"\b{p.stem}\(", c.call) for c in cases)]
    if target:
        command = [target.compiler, *target.flags, *target.library_flags, *FLAGS, "-g0", *flags]
        command += [f"-L{HARNESS}", "-T", f"{target.get_emulator().memory}.ld", str(HARNESS / "startup.cpp")]
    else:
        (folder / "host.cpp").write_text(_HOST_MAIN)
        command = ["g++", "-O2", "-std=c++17", "-fsanitize=undefined,address", str(folder / "host.cpp"), *flags]
    command += ["-Wall", "-Wextra", "-Werror", f"-I{NN}", "-o", str(program), str(main), *kernels]
    subprocess.run(command, check=True)
    return program


def run(program: Path, *, target: Target | None) -> bytes:
    """What the program writes."""
    command = [str(program)]
    if target:
        emulator = target.get_emulator()
        command = [emulator.program, "-M", emulator.machine, *emulator.options, "-nographic", "-monitor", "none"]
        command += ["-serial", "null"]
        command += ["-semihosting-config", "enable=on,target=native", "-kernel", str(program)]
    return subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=120).stdout


def failures(cases: list[Case], written: bytes) -> list[str]:
    """Names of the cases whose bytes differ, with the number of differing bytes."""
    sizes = [c.expected.size for c in cases]
    assert len(written) == sum(sizes), (len(written), sum(sizes))
    result = []
    at = 0
    for case, size in zip(cases, sizes, strict=True):
        got = np.frombuffer(written, np.int8, size, at)
        wrong = int((got != case.expected.reshape(-1)).sum())
        if wrong:
            result.append(f"{case.name}: {wrong} of {size} bytes differ")
        at += size
    return result


def differing(cases: list[Case], folder: Path, target: Target | None) -> list[str]:
    """The names of the cases whose kernel, built for ``target`` (None: this computer), writes other bytes."""
    return failures(cases, run(build(cases, folder, target=target), target=target))


def requantize(acc: npt.NDArray[np.int64], scale: Scale) -> npt.NDArray[np.int8]:
    """LiteRT's two-step scaling of accumulators of shape (channels, ...), with exact integers."""
    shape = (-1,) + (1,) * (acc.ndim - 1)
    multiplier = scale.multipliers.astype(np.int64).reshape(shape)
    shift = scale.shifts.astype(np.int64).reshape(shape)
    product = (acc << np.maximum(shift, 0)) * multiplier
    high = np.where(product >= 0, (product + (1 << 30)) >> 31, -((-product - 1 + (1 << 30)) >> 31))
    right = np.maximum(-shift, 0)
    remainder = high & ((1 << right) - 1)
    threshold = (((1 << right) - 1) >> 1) + (high < 0)
    scaled = (high >> right) + (remainder > threshold)
    clipped: np.ndarray = np.clip(scaled + scale.output_zero_point, scale.clamp_min, scale.clamp_max)
    return clipped.astype(np.int8)


def conv_accumulators(
    x: npt.NDArray[np.int8],
    w: npt.NDArray[np.int8],
    zero: int,
    out_hw: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    pad: tuple[int, int],
) -> npt.NDArray[np.int64]:
    """Accumulators (out channels, out h, out w) of x (h, w, c) by w (out channels, kh, kw, c), padded with zero."""
    channels, kh, kw, _ = w.shape
    acc = np.zeros((channels, *out_hw), np.int64)
    reach = [(o - 1) * s + (k - 1) * d + 1 for o, s, k, d in zip(out_hw, stride, (kh, kw), dilation, strict=True)]
    padded = np.zeros((max(reach[0], x.shape[0] + pad[0]), max(reach[1], x.shape[1] + pad[1]), x.shape[2]), np.int64)
    padded[pad[0] : pad[0] + x.shape[0], pad[1] : pad[1] + x.shape[1]] = x.astype(np.int64) - zero
    for ky in range(kh):
        for kx in range(kw):
            y0, x0 = ky * dilation[0], kx * dilation[1]
            part = padded[
                y0 : y0 + (out_hw[0] - 1) * stride[0] + 1 : stride[0],
                x0 : x0 + (out_hw[1] - 1) * stride[1] + 1 : stride[1],
            ]
            acc += np.einsum("yxc,oc->oyx", part, w[:, ky, kx].astype(np.int64))
    return acc


@dataclass
class Layer:
    """A random convolution with scales that spread its outputs over the int8 range."""

    rng: np.random.Generator
    in_hw: tuple[int, int]
    in_c: int
    out_c: int
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    same: bool = True
    kind: str = "relu"  # relu, saturate, clamp, generic
    depthwise: bool = False
    out_hw: tuple[int, int] = field(init=False)
    pad: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        out, pad = [], []
        for i in range(2):
            span = (self.kernel[i] - 1) * self.dilation[i] + 1
            o = -(-self.in_hw[i] // self.stride[i]) if self.same else (self.in_hw[i] - span) // self.stride[i] + 1
            out.append(o)
            pad.append(max((o - 1) * self.stride[i] + span - self.in_hw[i], 0) // 2 if self.same else 0)
        self.out_hw, self.pad = (out[0], out[1]), (pad[0], pad[1])
        rng = self.rng
        self.x = rng.integers(-128, 128, (*self.in_hw, self.in_c)).astype(np.int8)
        taps = (*self.kernel, 1 if self.depthwise else self.in_c)
        self.w = rng.integers(-127, 128, (self.out_c, *taps)).astype(np.int8)
        self.zero = int(rng.integers(-128, 128))
        self.bias = rng.integers(-20000, 20000, self.out_c).astype(np.int32)
        spread = 60 * 70 * np.sqrt(np.prod(taps))
        real = rng.uniform(0.3, 3, self.out_c) * 80 / spread
        if self.kind == "generic":
            real[rng.integers(0, self.out_c)] = rng.uniform(0.2, 3)
        m, s = np.array([quantize_multiplier(float(r)) for r in real]).T
        zero = {"relu": -128, "saturate": int(rng.integers(-60, 60))}.get(self.kind, int(rng.integers(-128, 128)))
        low, high = (zero, min(127, zero + 90)) if self.kind in ("clamp", "generic") else (-128, 127)
        self.scale = Scale(m.astype(np.int32), s.astype(np.int32), zero, low, high)

    def expected(self) -> npt.NDArray[np.int8]:
        """The output, planar."""
        if not self.depthwise:
            acc = conv_accumulators(self.x, self.w, self.zero, self.out_hw, self.stride, self.dilation, self.pad)
        else:
            each = self.out_c // self.in_c
            acc = np.concatenate(
                [
                    conv_accumulators(
                        self.x[:, :, c // each : c // each + 1],
                        self.w[c : c + 1],
                        self.zero,
                        self.out_hw,
                        self.stride,
                        self.dilation,
                        self.pad,
                    )
                    for c in range(self.out_c)
                ]
            )
        return requantize(acc + self.bias.astype(np.int64).reshape(-1, 1, 1), self.scale)

    @property
    def macs(self) -> int:
        return int(np.prod(self.out_hw) * np.prod(self.w.shape))

    def case(self, name: str, *, hwc: bool = False, in_place: bool = False, rows: int = 0, plane: int = 0) -> Case:
        """The call; rows: output rows a call (0: all); plane: channel stride (0: as many as the plane has)."""
        n = "".join(ch if ch.isalnum() else "_" for ch in name)
        (ih, iw), (oh, ow) = self.in_hw, self.out_hw
        if self.depthwise:
            packed = pack_depthwise(
                np.ascontiguousarray(self.w[:, :, :, 0].transpose(1, 2, 0)), self.bias, self.zero, self.scale
            )
            scratch = depthwise_scratch_bytes(*self.kernel, self.stride[1], *self.dilation, in_w=iw, out_w=ow)
            ptype, tail, mid = "DepthwiseParams", "", f"{oh},{ow},{self.out_c // self.in_c}"
        else:
            packed = pack_conv(self.w, self.bias, self.zero, self.scale, input_is_hwc=hwc)
            scratch = conv_scratch_bytes(*self.kernel, self.in_c, input_is_hwc=hwc)
            tail = f",{str(hwc).lower()},{str(packed.in_runs).lower()}"
            ptype, mid = "ConvParams", f"{oh},{ow},{self.out_c}"
        d = carray("int8_t", f"{n}_constants", packed.constants)
        requant = f"{{{packed.output_offset},{packed.clamp_min},{packed.clamp_max},RequantKind::{packed.kind.value}}}"
        geometry = ",".join(str(v) for v in (*self.kernel, *self.stride, *self.dilation, *self.pad, self.zero))
        d += f"static const {ptype} {n}_p = {{{n}_constants,{requant},{ih},{iw},{self.in_c},{mid},{geometry}{tail}}};\n"
        assert scratch <= 8192
        ip, op = plane or ih * iw, plane or oh * ow
        if in_place:
            op = ip
        x = self.x if hwc else self.x.transpose(2, 0, 1)
        y = np.zeros((self.out_c, op), np.int8)
        y[:, : oh * ow] = self.expected().reshape(self.out_c, -1)
        if hwc:
            flat = x.reshape(-1)
        else:
            planes = np.zeros((self.in_c, ip), np.int8)
            planes[:, : ih * iw] = x.reshape(self.in_c, -1)
            flat = planes.reshape(-1)
        if in_place:
            size = max(flat.size, y.size)
            buffer = np.zeros(size, np.int8)
            buffer[: flat.size] = flat
            whole = buffer.copy().reshape(-1, op)
            whole[: self.out_c, : oh * ow] = y[:, : oh * ow]
            flat, outname, expected = buffer, "in_buffer", whole.reshape(-1)
        else:
            outname, expected = "out_buffer", y.reshape(-1)
        assert max(flat.size, expected.size) <= 36864
        d += carray("int8_t", f"{n}_x", flat)
        setup = f"memcpy(in_buffer, {n}_x, {flat.size});"
        d += f"static const View {n}_in = {{in_buffer,{0 if hwc else ip},{iw * self.in_c if hwc else iw},{ih}}};\n"
        d += f"static const View {n}_out = {{{outname},{op},{ow},{oh}}};\n"
        function = "depthwise_conv2d" if self.depthwise else "conv2d"
        step = rows or oh
        call = f"for (int y = 0; y < {oh}; y += {step}) "
        call += f"{function}({n}_p, {n}_in, {n}_out, y, y + {step} < {oh} ? y + {step} : {oh}, scratch);"
        return Case(name, d, setup, call, outname, expected, self.macs)

    def band_case(self, name: str, rows: int) -> Case:
        """The call for a few rows at a time, input and output in rings that begin again in the middle of calls."""
        whole = self.case(name)
        n = "".join(ch if ch.isalnum() else "_" for ch in name)
        (ih, iw), (oh, ow) = self.in_hw, self.out_hw
        span = (rows - 1) * self.stride[0] + (self.kernel[0] - 1) * self.dilation[0] + 1
        in_rows, out_rows = min(span + 1, ih), rows + 1
        d = "\n".join(line for line in whole.declarations.splitlines() if not line.startswith("static const View"))
        at = self.in_c * in_rows * iw
        d += f"\nstatic const View {n}_in = {{in_buffer,{in_rows * iw},{iw},{in_rows}}};\n"
        d += f"static const View {n}_out = {{in_buffer + {at},{out_rows * ow},{ow},{out_rows}}};\n"
        function = "depthwise_conv2d" if self.depthwise else "conv2d"
        below = span - (rows - 1) * self.stride[0] - self.pad[0]
        call = f"""for (int y = 0, next = 0; y < {oh}; y += {rows}) {{
    const int end = y + {rows} < {oh} ? y + {rows} : {oh};
    for (; next < {ih} && next < (end - 1) * {self.stride[0]} + {below}; ++next)
      for (int c = 0; c < {self.in_c}; ++c)
        memcpy(in_buffer + (c * {in_rows} + next % {in_rows}) * {iw}, {n}_x + (c * {ih} + next) * {iw}, {iw});
    {function}({n}_p, {n}_in, {n}_out, y, end, scratch);
    for (int i = y; i < end; ++i)
      for (int c = 0; c < {self.out_c}; ++c)
        memcpy(out_buffer + (c * {oh} + i) * {ow}, {n}_out.data + (c * {out_rows} + i % {out_rows}) * {ow}, {ow});
  }}"""
        return Case(name, d, "", call, "out_buffer", whole.expected, self.macs)


def _view(name: str, buffer: str, shape: tuple[int, int, int]) -> str:
    height, width, _ = shape
    return f"static const View {name} = {{{buffer},{height * width},{width},{height}}};\n"


def _simple(
    name: str,
    struct: str,
    fields: list[int],
    call: str,
    inputs: list[npt.NDArray[np.int8]],
    expected: npt.NDArray[np.int8],
) -> Case:
    """A kernel on one or two (height, width, channels) tensors, planar in memory, the second after the first."""
    n = "".join(ch if ch.isalnum() else "_" for ch in name)
    planar = np.concatenate([x.transpose(2, 0, 1).reshape(-1) for x in inputs])
    d = f"static const {struct} {n}_p = {{{','.join(map(str, fields))}}};\n" + carray("int8_t", f"{n}_x", planar)
    d += _view(f"{n}_in", "in_buffer", inputs[0].shape) + _view(f"{n}_out", "out_buffer", expected.shape)
    if len(inputs) > 1:
        d += _view(f"{n}_in2", f"in_buffer + {inputs[0].size}", inputs[1].shape)
    setup = f"memcpy(in_buffer, {n}_x, {planar.size});"
    return Case(name, d, setup, call.replace("$", f"{n}_"), "out_buffer", expected.transpose(2, 0, 1).reshape(-1))


def add_case(rng: np.random.Generator, name: str, shape: tuple[int, int, int]) -> Case:
    """ADD of two tensors of one shape with random scales."""
    a, b = (rng.integers(-128, 128, shape).astype(np.int8) for _ in range(2))
    zeros = rng.integers(-128, 128, 3)
    scales = rng.uniform(0.01, 0.1, 3)
    largest = 2 * max(scales[0], scales[1])
    factors = [
        quantize_multiplier(float(f))
        for f in (scales[0] / largest, scales[1] / largest, largest / ((1 << 20) * scales[2]))
    ]
    each = [
        scaled((x.astype(np.int64) - z) << 20, *factor)
        for x, z, factor in zip((a, b), zeros[:2], factors[:2], strict=True)
    ]
    low, high = -128, 100
    expected = np.clip(scaled(each[0] + each[1], *factors[2]) + zeros[2], low, high).astype(np.int8)
    fields = [*shape, -int(zeros[0]), -int(zeros[1]), int(zeros[2]), low, high]
    fields += [m for m, _ in factors] + [s for _, s in factors]
    call = f"add($p, $in, $in2, $out, 0, {shape[0]});"
    return _simple(name, "AddParams", fields, call, [a, b], expected)


def scaled(x: npt.NDArray[np.int64], multiplier: int, shift: int) -> npt.NDArray[np.int64]:
    """LiteRT's MultiplyByQuantizedMultiplier for shifts to the right, with exact integers."""
    product = x * multiplier
    high = np.where(product >= 0, (product + (1 << 30)) >> 31, -((-product - 1 + (1 << 30)) >> 31))
    right = -shift
    remainder = high & ((1 << right) - 1)
    return (high >> right) + (remainder > (((1 << right) - 1) >> 1) + (high < 0))


def pool_case(
    rng: np.random.Generator, name: str, kind: str, shape: tuple[int, int, int], kernel: int, stride: int, *, same: bool
) -> Case:
    """A pool with a square window over (height, width, channels)."""
    x = rng.integers(-128, 128, shape).astype(np.int8)
    out, pad = [], []
    for size in shape[:2]:
        o = -(-size // stride) if same else (size - kernel) // stride + 1
        out.append(o)
        pad.append(max((o - 1) * stride + kernel - size, 0) // 2 if same else 0)
    expected = np.zeros((out[0], out[1], shape[2]), np.int8)
    for y in range(out[0]):
        for i in range(out[1]):
            top, left = y * stride - pad[0], i * stride - pad[1]
            window = x[max(top, 0) : top + kernel, max(left, 0) : left + kernel].reshape(-1, shape[2]).astype(np.int64)
            count, total = len(window), window.sum(axis=0)
            mean = np.where(total > 0, total + count // 2, -(-total + count // 2))
            mean = np.where(mean >= 0, mean // count, -(-mean // count))
            expected[y, i] = np.clip(window.max(axis=0) if kind == "max_pool" else mean, -110, 120)
    fields = [*shape, *out, kernel, kernel, stride, stride, *pad, -110, 120, 0]
    return _simple(name, "PoolParams", fields, f"{kind}($p, $in, $out, 0, {out[0]});", [x], expected)


WINDOWS = ((2, 2, True), (3, 2, True), (3, 1, False), (3, 3, False), (5, 1, True))
"""Sides and strides of a pool's window, and whether the padding is SAME."""


def pool_cases(rng: np.random.Generator, kind: str) -> list[Case]:
    """A pool of each of :data:`WINDOWS`."""
    return [
        pool_case(rng, f"window {side} {stride} {same}", kind, (7, 9, 4), side, stride, same=same)
        for side, stride, same in WINDOWS
    ]


def pad_case(
    rng: np.random.Generator,
    name: str,
    shape: tuple[int, int, int],
    before: tuple[int, int, int],
    out: tuple[int, int, int],
) -> Case:
    """Constant padding of (height, width, channels)."""
    x = rng.integers(-128, 128, shape).astype(np.int8)
    expected = np.full(out, -7, np.int8)
    expected[tuple(slice(b, b + n) for b, n in zip(before, shape, strict=True))] = x
    return _simple(name, "PadParams", [*shape, *out, *before, -7], f"pad($p, $in, $out, 0, {out[0]});", [x], expected)
