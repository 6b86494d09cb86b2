"""The cells of a map, drawn into the picture that they are of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from vww_deploy.pictures.outputs import Cell

_COLOUR: Final = (0, 230, 118)
_SIDE: Final = 16  # pixels of a drawn cell's shorter side at least: smaller ones would be nothing but outline
_LINE: Final = 2  # pixels of the outline


def outlined(pixels: npt.NDArray[np.uint8], rows: int, columns: int, cells: Iterable[Cell]) -> npt.NDArray[np.uint8]:
    """The picture with an outline around each cell of a map of ``rows`` x ``columns`` that covers all of it.

    Args:
        pixels: uint8 ``[h, w, 1 or 3]``.

    Returns:
        uint8 ``[k h, k w, 3]``, each pixel repeated ``k`` times so that cells are large enough to be seen; the picture
        itself if there is no cell.
    """
    cells = list(cells)
    if not cells:
        return pixels
    height, width = pixels.shape[:2]
    factor = max(1, -(-_SIDE * rows // height), -(-_SIDE * columns // width))
    drawn = np.repeat(np.repeat(np.broadcast_to(pixels, (height, width, 3)), factor, axis=0), factor, axis=1)
    for cell in cells:
        top, bottom = (drawn.shape[0] * (cell.row + i) // rows for i in (0, 1))
        left, right = (drawn.shape[1] * (cell.column + i) // columns for i in (0, 1))
        inside = drawn[top + _LINE : bottom - _LINE, left + _LINE : right - _LINE].copy()
        drawn[top:bottom, left:right] = _COLOUR
        drawn[top + _LINE : bottom - _LINE, left + _LINE : right - _LINE] = inside
    return drawn
