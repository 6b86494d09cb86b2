"""From IR operators to kernel calls: which kernel, which constants, how much scratch.

This is the only module that knows the parameter structs of ``firmware/lib/vww_nn/vww_nn.h``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vww_deploy.compiler import packing
from vww_deploy.compiler.plan import Layout
from vww_deploy.errors import ModelError
from vww_deploy.graph.ir import (
    Activation,
    Add,
    Conv2D,
    DepthwiseConv2D,
    Graph,
    Mean,
    Op,
    Pad,
    Pool,
    Requantization,
    Requantize,
    Softmax,
)


@dataclass(frozen=True, eq=False)
class FromInterleaved(Op):
    """Copies the interleaved input to planes; ours, not the file's."""


@dataclass(frozen=True, eq=False)
class ToInterleaved(Op):
    """Copies planes to height, width, channel order; ours, not the file's."""


@dataclass(frozen=True, eq=False)
class Kernel:
    """A layer as the emitter needs it.

    ``function`` is a kernel of vww_nn and ``source`` its file; ``struct`` its parameter struct ("" for none) with
    ``fields`` (comment, C++ expression) in order; ``arrays`` the constants that the fields name as ``$name``.
    """

    function: str
    source: str
    struct: str
    fields: tuple[tuple[str, str], ...]
    arrays: tuple[tuple[str, str, npt.NDArray[np.generic]], ...]
    scratch_bytes: int
    by_rows: bool = True
    leading: tuple[int, ...] = ()

    @property
    def constant_bytes(self) -> int:
        """Flash that the arrays take."""
        return sum(array.nbytes for _, _, array in self.arrays)


Field = tuple[str, int]


def lower(graph: Graph, op: Op, input_layout: Layout) -> Kernel:
    """The kernel call for an operator; raises ModelError for numbers that no kernel can hold."""
    try:
        return _lower(graph, op, input_layout)
    except ValueError as error:
        raise ModelError(f"{graph.name}: {op.kind} '{graph.activations[op.output].name}': {error}") from error


def _lower(graph: Graph, op: Op, input_layout: Layout) -> Kernel:
    source, out = graph.activations[op.inputs[0]], graph.activations[op.output]
    if isinstance(op, Conv2D):
        # With one channel both layouts are the same, and the kernel for interleaved pictures is the faster one.
        hwc = input_layout is Layout.INTERLEAVED or source.channels == 1
        packed = packing.pack_conv(
            op.weights,
            op.requantization.bias,
            source.quantization.zero_point,
            _scale(op.requantization, out),
            input_is_hwc=hwc,
        )
        kernel = op.window.kernel
        return _weighted(
            "conv2d",
            "ConvParams",
            packed,
            [
                *_shapes(source, out),
                *_window(op),
                ("input_zero_point", source.quantization.zero_point),
                ("input_is_hwc", int(hwc)),
            ],
            packing.conv_scratch_bytes(kernel[0], kernel[1], source.channels, input_is_hwc=hwc),
        )
    if isinstance(op, DepthwiseConv2D):
        packed = packing.pack_depthwise(
            op.weights, op.requantization.bias, source.quantization.zero_point, _scale(op.requantization, out)
        )
        window = op.window
        return _weighted(
            "depthwise_conv2d",
            "DepthwiseParams",
            packed,
            [
                *_shape("in", source),
                ("out_h", out.height),
                ("out_w", out.width),
                ("multiplier", op.depth_multiplier),
                *_window(op),
                ("input_zero_point", source.quantization.zero_point),
            ],
            packing.depthwise_scratch_bytes(
                *window.kernel, window.stride[1], *window.dilation, in_w=source.width, out_w=out.width
            ),
        )
    if isinstance(op, Pool):
        name = "average_pool" if op.kind == "AVERAGE_POOL_2D" else "max_pool"
        window = op.window
        return _plain(
            name,
            "PoolParams",
            [
                ("in_h", source.height),
                ("in_w", source.width),
                ("channels", source.channels),
                ("out_h", out.height),
                ("out_w", out.width),
                *_pairs("kernel", window.kernel),
                *_pairs("stride", window.stride),
                ("pad_top", window.padding.top),
                ("pad_left", window.padding.left),
                ("clamp_min", op.clamp_min),
                ("clamp_max", op.clamp_max),
            ],
        )
    if isinstance(op, Add):
        first, second = graph.activations[op.inputs[0]], graph.activations[op.inputs[1]]
        return _plain(
            "add",
            "AddParams",
            [
                *_size(out),
                ("input1_offset", -first.quantization.zero_point),
                ("input2_offset", -second.quantization.zero_point),
                ("output_offset", out.quantization.zero_point),
                ("clamp_min", op.clamp_min),
                ("clamp_max", op.clamp_max),
                *zip(("input1_multiplier", "input2_multiplier", "output_multiplier"), op.multipliers, strict=True),
                *zip(("input1_shift", "input2_shift", "output_shift"), op.shifts, strict=True),
            ],
        )
    if isinstance(op, Pad):
        return _plain(
            "pad",
            "PadParams",
            [
                *_shapes(source, out),
                ("top", op.padding.top),
                ("left", op.padding.left),
                ("front", op.channels_before),
                ("value", out.quantization.zero_point),
            ],
        )
    if isinstance(op, Mean):
        height, width, channels = source.shape
        if op.axes == (1,):  # one row of each of height * channels planes
            height, channels = 1, height * channels
        elif op.axes == (0,) and width > 1:  # channel by channel: its columns as planes one pixel wide
            width, channels = 1, width
        multiplier, shift = packing.mean_multiplier(op.multiplier, op.shift, height * width)
        return _plain(
            "mean_hw",
            "MeanParams",
            [
                ("h", height),
                ("w", width),
                ("channels", channels),
                ("input_zero_point", source.quantization.zero_point),
                ("output_zero_point", out.quantization.zero_point),
                ("multiplier", multiplier),
                ("shift", shift),
            ],
            by_rows=False,
        )
    if isinstance(op, Softmax):
        multiplier, left_shift, diff_min = packing.softmax_scaling(source.quantization.scale, op.beta)
        numbers = [("multiplier", multiplier), ("left_shift", left_shift), ("diff_min", diff_min)]
        return _plain("softmax", "SoftmaxParams", [("size", source.channels), *numbers], by_rows=False)
    if isinstance(op, Requantize):
        return _plain(
            "requantize",
            "RequantizeParams",
            [
                *_size(out),
                ("input_zero_point", source.quantization.zero_point),
                ("output_zero_point", out.quantization.zero_point),
                ("multiplier", op.multiplier),
                ("shift", op.shift),
            ],
        )
    if isinstance(op, FromInterleaved | ToInterleaved):
        picture = source if isinstance(op, ToInterleaved) else out
        name = "copy_to_hwc" if isinstance(op, ToInterleaved) else "copy_from_hwc"
        return Kernel(name, "copy", "", (), (), 0, leading=(picture.channels, picture.width))
    raise AssertionError(f"no kernel for {type(op).__name__}")


def _scale(requantization: Requantization, out: Activation) -> packing.Scale:
    return packing.Scale(
        multipliers=requantization.multiplier,
        shifts=requantization.shift,
        output_zero_point=out.quantization.zero_point,
        clamp_min=requantization.clamp_min,
        clamp_max=requantization.clamp_max,
        rounds_once=requantization.rounds_once,
    )


def _weighted(function: str, struct: str, packed: packing.Packed, fields: Sequence[Field], scratch: int) -> Kernel:
    arrays = (("constants", "int8_t", packed.constants),)
    rounding = ", true" if packed.rounds_once else ""
    kind = f"vww::RequantKind::{packed.kind.value}{rounding}"
    requant = f"{{{packed.output_offset}, {packed.clamp_min}, {packed.clamp_max}, {kind}}}"
    head = (("constants", "$constants"), ("requant", requant))
    return Kernel(function, function, struct, (*head, *_fields(fields)), arrays, scratch)


def _plain(function: str, struct: str, fields: Sequence[Field], *, by_rows: bool = True) -> Kernel:
    return Kernel(function, function, struct, _fields(fields), (), 0, by_rows)


def _fields(fields: Sequence[Field]) -> tuple[tuple[str, str], ...]:
    for name, value in fields:
        limit = 1 << 31 if "multiplier" in name or name in ("diff_min", "left_shift", "shift") else 1 << 15
        if not -limit <= value < limit:
            raise ValueError(f"{name} = {value} is beyond the kernels' range")
    return tuple((name, _literal(name, value)) for name, value in fields)


def _literal(name: str, value: int) -> str:
    if name == "input_is_hwc":
        return "true" if value else "false"
    return str(value)


def _shape(prefix: str, activation: Activation) -> list[Field]:
    return [(f"{prefix}_h", activation.height), (f"{prefix}_w", activation.width), (f"{prefix}_c", activation.channels)]


def _shapes(source: Activation, out: Activation) -> list[Field]:
    return [*_shape("in", source), *_shape("out", out)]


def _size(out: Activation) -> list[Field]:
    return [("h", out.height), ("w", out.width), ("channels", out.channels)]


def _window(op: Conv2D | DepthwiseConv2D) -> list[Field]:
    window = op.window
    return [
        *_pairs("kernel", window.kernel),
        *_pairs("stride", window.stride),
        *_pairs("dilation", window.dilation),
        ("pad_top", window.padding.top),
        ("pad_left", window.padding.left),
    ]


def _pairs(name: str, pair: tuple[int, int]) -> list[Field]:
    return [(f"{name}_h", pair[0]), (f"{name}_w", pair[1])]
