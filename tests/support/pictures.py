"""Pictures that tests make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def noise_pictures(folder: Path, count: int) -> list[Path]:
    """Gray PNG files of 16 x 16 pixels of noise in ``folder``, the same ones every time."""
    rng = np.random.default_rng(3)
    paths = [folder / f"{number:03}.png" for number in range(count)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (16, 16), np.uint8)).save(path)
    return paths
