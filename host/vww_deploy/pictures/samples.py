"""Sample pictures: photographs that scikit-image ships, sorted into ``person/`` and ``no_person/``."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Final

from vww_deploy.errors import DataError, ToolMissing
from vww_deploy.resources import install_extra

_SAMPLES: Final = {
    "person/astronaut.png": "astronaut.png",
    "person/camera.png": "camera.png",
    "no_person/cat.png": "chelsea.png",
    "no_person/clock.png": "clock_motion.png",
    "no_person/coffee.png": "coffee.png",
    "no_person/coins.png": "coins.png",
    "no_person/grass.png": "grass.png",
    "no_person/moon.png": "moon.png",
    "no_person/motorcycle.png": "motorcycle_left.png",
    "no_person/rocket.jpg": "rocket.jpg",
}


def write_samples(folder: Path) -> list[Path]:
    """Copy the sample pictures into ``folder``.

    Returns:
        Their paths.

    Raises:
        ToolMissing: scikit-image is not installed.
        DataError: the folder cannot be written, or this scikit-image ships other pictures.
    """
    found = importlib.util.find_spec("skimage")
    if found is None or found.origin is None:
        raise ToolMissing("the sample pictures are scikit-image's, which is not installed", hint=install_extra("demo"))
    source = Path(found.origin).parent / "data"
    try:
        for name, original in _SAMPLES.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / original, path)
    except OSError as error:
        raise DataError(f"the sample pictures cannot be copied: {error}") from error
    return [folder / name for name in _SAMPLES]
