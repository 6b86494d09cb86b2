"""MIRROR_PAD: the picture goes on as its own reflection."""

from __future__ import annotations

from typing import Final

import tflite

from vww_deploy.graph.operators.gather import add_gather
from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator


def read(reader: Reader, op: FileOperator) -> None:
    shape = reader.tensors[op.inputs[0]].shape
    amounts = reader.whole_numbers(op.inputs[1]).reshape(-1, 2).tolist()
    mode = reader.options(op).Mode()
    if mode not in (tflite.MirrorPadMode.REFLECT, tflite.MirrorPadMode.SYMMETRIC):
        raise RefusedError(f"mode {mode}; REFLECT and SYMMETRIC are known")
    inner = 0 if mode == tflite.MirrorPadMode.SYMMETRIC else 1  # SYMMETRIC repeats the edge, REFLECT does not
    if len(amounts) != len(shape) or any(
        not 0 <= amount <= size - inner for pair, size in zip(amounts, shape, strict=True) for amount in pair
    ):
        raise RefusedError(f"paddings {amounts} do not fit input {list(shape)}")
    picks = []
    for (before, after), size in zip(amounts, shape, strict=True):
        left = range(before - 1 + inner, inner - 1, -1)
        right = range(size - 1 - inner, size - 1 - inner - after, -1)
        picks.append([*left, *range(size), *right])
    add_gather(reader, op, picks)


READERS: Final = {"MIRROR_PAD": read}
