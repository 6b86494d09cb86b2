"""RESIZE_NEAREST_NEIGHBOR."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from vww_deploy.graph.operators.gather import add_gather
from vww_deploy.graph.reading import Reader, RefusedError
from vww_deploy.graph.tflite_file import FileOperator


def read(reader: Reader, op: FileOperator) -> None:
    shape, options = reader.tensors[op.inputs[0]].shape, reader.options(op)
    wanted = reader.whole_numbers(op.inputs[1]).reshape(-1).tolist()
    if len(shape) != 4 or len(wanted) != 2 or min(wanted) < 1:
        raise RefusedError(f"input {list(shape)} to {wanted}")
    corners, centers = corners_and_centers(options)
    height, width = (_nearest(shape[1 + i], wanted[i], corners=corners, centers=centers) for i in range(2))
    add_gather(reader, op, [[0], height, width, range(shape[3])])


def corners_and_centers(options: Any) -> tuple[bool, bool]:
    """Whether corners are aligned, and whether places are those of pixels' middles, in the options of both RESIZEs."""
    corners, centers = bool(options.AlignCorners()), bool(options.HalfPixelCenters())
    if corners and centers:
        raise RefusedError("both align_corners and half_pixel_centers, which LiteRT refuses, too")
    return corners, centers


def _nearest(size: int, wanted: int, *, corners: bool, centers: bool) -> list[int]:
    """Which of ``size`` elements each of those ``wanted`` is, in float32 as LiteRT computes it."""
    scale = np.float32(size) / np.float32(wanted)
    if corners and wanted > 1:
        scale = np.float32(size - 1) / np.float32(wanted - 1)
    places = (np.arange(wanted, dtype=np.float32) + np.float32(0.5 if centers else 0)) * scale
    whole = np.floor(places + np.float32(0.5)) if corners else np.floor(places)  # places are not negative
    found: list[int] = np.clip(whole.astype(np.int64), 0, size - 1).tolist()
    return found


READERS: Final = {"RESIZE_NEAREST_NEIGHBOR": read}
