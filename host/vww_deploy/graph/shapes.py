"""The shape of an operator's output, as LiteRT works it out: it does not look at the one in the file.

Readers go by the file's shapes, so a file whose shapes are others is refused. Operators that are not here check their
output themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator

Shape = tuple[int, ...]


def check_shape(reader: Reader, op: FileOperator) -> None:
    """Refuses an operator whose output has another shape in the file than LiteRT gives it."""
    rule = _RULES.get(op.kind)
    wanted = rule(reader, op) if rule is not None else None
    found = reader.tensors[op.outputs[0]].shape
    if wanted is not None and found != wanted:
        raise RefusedError(f"output {list(found)} does not follow from its inputs and options: {list(wanted)} does")


def _given(reader: Reader, op: FileOperator, number: int = 0) -> Shape:
    index = op.inputs[number]
    return np.shape(reader.constants[index]) if index in reader.constants else reader.tensors[index].shape


def _same(reader: Reader, op: FileOperator) -> Shape:
    return _given(reader, op)


def _broadcast(reader: Reader, op: FileOperator) -> Shape:
    return np.broadcast_shapes(_given(reader, op), _given(reader, op, 1))


def _fully_connected(reader: Reader, op: FileOperator) -> Shape | None:
    given, weights = _given(reader, op), _given(reader, op, 1)
    if len(weights) != 2 or not weights[1]:
        return None
    if op.options is not None and op.options.KeepNumDims():
        if given[-1:] != weights[1:]:
            raise RefusedError(f"input {list(given)} does not end in {weights[1]}, and it keeps the dimensions")
        return (*given[:-1], weights[0])
    return int(np.prod(given, dtype=np.int64)) // weights[1], weights[0]


def _reduced(reader: Reader, op: FileOperator) -> Shape | None:
    given = _given(reader, op)
    numbers = reader.whole_numbers(op.inputs[1]).reshape(-1).tolist()
    if any(not -len(given) <= number < len(given) for number in numbers):
        return None
    gone = {number % len(given) for number in numbers}
    if reader.options(op).KeepDims():
        return tuple(1 if d in gone else size for d, size in enumerate(given))
    return tuple(size for d, size in enumerate(given) if d not in gone)


def _reshape(reader: Reader, op: FileOperator) -> Shape | None:
    """Of the second input, if that is a vector of int32; otherwise of the options."""
    second = op.inputs[1] if len(op.inputs) == 2 else -1
    if second >= 0 and reader.tensors[second].dtype == "INT32" and len(_given(reader, op, 1)) == 1:
        shape = reader.whole_numbers(second).tolist()
    elif op.options is not None and op.options.NewShapeLength():
        shape = op.options.NewShapeAsNumpy().tolist()
        shape = [] if shape == [0] else shape
    else:
        shape = []
    if shape.count(-1) > 1 or any(size < -1 or size == 0 for size in shape):
        raise RefusedError(f"it makes the shape {shape}")
    size, known = (int(np.prod(one, dtype=np.int64)) for one in (_given(reader, op), [n for n in shape if n != -1]))
    if -1 in shape and not size % known:
        shape[shape.index(-1)] = size // known
    return tuple(shape)


def _squeeze(reader: Reader, op: FileOperator) -> Shape:
    given = _given(reader, op)
    named = (
        op.options.SqueezeDimsAsNumpy().tolist() if op.options is not None and op.options.SqueezeDimsLength() else []
    )
    if any(not -len(given) <= number < len(given) or given[number] != 1 for number in named):
        raise RefusedError(f"it squeezes {named} of {list(given)}")
    gone = {number % len(given) for number in named} or {d for d, size in enumerate(given) if size == 1}
    return tuple(size for d, size in enumerate(given) if d not in gone)


def _expand(reader: Reader, op: FileOperator) -> Shape:
    given = _given(reader, op)
    numbers = reader.whole_numbers(op.inputs[1]).reshape(-1).tolist()
    if len(numbers) != 1 or not -len(given) <= numbers[0] + 1 <= len(given) + 1:
        raise RefusedError(f"it adds the dimension {numbers} to {list(given)}")
    at = numbers[0] if numbers[0] >= 0 else numbers[0] + len(given) + 1
    return (*given[:at], 1, *given[at:])


def _transpose(reader: Reader, op: FileOperator) -> Shape | None:
    given, order = _given(reader, op), reader.whole_numbers(op.inputs[1]).reshape(-1).tolist()
    return tuple(given[d] for d in order) if sorted(order) == list(range(len(given))) else None


def _pad(reader: Reader, op: FileOperator) -> Shape | None:
    given, amounts = _given(reader, op), reader.whole_numbers(op.inputs[1])
    if amounts.shape != (len(given), 2):
        raise RefusedError(f"paddings {amounts.tolist()} do not fit input {list(given)}")
    return tuple(size + before + after for size, (before, after) in zip(given, amounts.tolist(), strict=True))


def _same_rank(reader: Reader, op: FileOperator) -> Shape | None:
    """The operator's reader compares the sizes; LiteRT keeps the number of dimensions."""
    given = _given(reader, op, 1 if op.kind == "SPLIT" else 0)
    for output in op.outputs:
        if len(reader.tensors[output].shape) != len(given):
            raise RefusedError(
                f"output {list(reader.tensors[output].shape)} has not as many dimensions as input {list(given)}"
            )
    return None


def _strided_slice(reader: Reader, op: FileOperator) -> Shape | None:
    left = len(_given(reader, op)) - int(reader.options(op).ShrinkAxisMask()).bit_count()
    if len(reader.tensors[op.outputs[0]].shape) != left:
        raise RefusedError(f"output {list(reader.tensors[op.outputs[0]].shape)}; {left} dimensions are left")
    return None


_SAME: Final = (
    *("RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU", "HARD_SWISH", "LOGISTIC", "TANH", "SOFTMAX", "PRELU"),
    *("QUANTIZE", "DEQUANTIZE"),
)
_SAME_RANK: Final = (
    *("CONCATENATION", "SLICE", "SPLIT", "SPLIT_V", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE"),
    *("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"),
)
_RULES: Final[dict[str, Callable[[Reader, FileOperator], Shape | None]]] = {
    **dict.fromkeys(_SAME, _same),
    **dict.fromkeys(("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM"), _broadcast),
    **dict.fromkeys(("MEAN", "REDUCE_MAX"), _reduced),
    **dict.fromkeys(("PAD", "PADV2", "MIRROR_PAD"), _pad),
    **dict.fromkeys(_SAME_RANK, _same_rank),
    "FULLY_CONNECTED": _fully_connected,
    "RESHAPE": _reshape,
    "SQUEEZE": _squeeze,
    "EXPAND_DIMS": _expand,
    "TRANSPOSE": _transpose,
    "STRIDED_SLICE": _strided_slice,
}
