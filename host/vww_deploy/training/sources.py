"""Where a float network comes from: a training's folder, or a file of somebody else's."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vww_deploy.errors import ModelError
from vww_deploy.pictures.card import InputSpec
from vww_deploy.training.calibrate import calibrate
from vww_deploy.training.datasets import Dataset
from vww_deploy.training.interpret import PixelRange
from vww_deploy.training.package import ALLOWED_LOSS, Packed, describe_data, pack, pixels_of
from vww_deploy.training.run import read_recipe
from vww_deploy.training.train import WEIGHTS_FILE
from vww_deploy.training.weights import load_network, save_weights


@dataclass(frozen=True)
class FloatNetwork:
    """A float network, what is known about it, and how to fine-tune it (only if it was trained here)."""

    model: Any
    description: str = ""
    about: dict[str, Any] = field(default_factory=dict)
    fine_tune: Callable[[], Any] | None = None


def is_training(path: Path) -> bool:
    """Whether ``train`` wrote the folder."""
    return (path / "recipe.json").is_file()


def open_source(path: Path, dataset: Dataset) -> FloatNetwork:
    """Open a training's folder, or hand on the path of a Keras model, SavedModel or float ``.tflite``.

    Raises:
        ModelError: there is nothing of the kind.
    """
    if not path.exists():
        raise ModelError(
            f"there is no {path}", hint="Give a training's folder or a Keras, SavedModel or .tflite model."
        )
    if not is_training(path):
        return FloatNetwork(path)
    recipe = read_recipe(path)
    model = load_network(recipe, path / WEIGHTS_FILE)
    spec = InputSpec(recipe.size, recipe.size, recipe.channels)
    pixels, labels = pixels_of(dataset.split("val"), spec)
    found = calibrate(model, pixels, labels)

    def fine_tune() -> Any:  # of MobileNet v1 alone
        from vww_deploy.training.finetune import fine_tune_int8

        return fine_tune_int8(model, pixels_of(dataset.split("train"), spec)[0], seed=recipe.seed)

    colour = "gray" if recipe.channels == 1 else "RGB"
    size = f"{recipe.size}x{recipe.size}x{recipe.channels}"
    other = recipe.architecture
    name = f"MobileNet v1 {recipe.depth_multiplier:g}" if other is None else f"{other.kind} network {other.key}"
    return FloatNetwork(
        model,
        f"{name}, {size} {colour}: person or no person",
        {"training": {**asdict(recipe), "calibration": asdict(found), "log": _last_row(path / "log.csv")}},
        fine_tune if other is None else None,
    )


def quantise_source(
    path: Path,
    dataset: Dataset,
    output: Path,
    *,
    splits: tuple[str, ...] = ("val",),
    size: int | None = None,
    pixel_range: PixelRange = None,
    labels: Sequence[str] = (),
    person_label: str | None = None,
    fine_tune: bool | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Packed:
    """Make an int8 model and its card of what :func:`open_source` opens; see :func:`vww_deploy.training.package.pack`.

    Beside those of a training lie its calibrated float weights, ``NAME.weights.h5``.

    Args:
        size: height and width for a model from elsewhere that takes any.
        pixel_range: the real numbers that pixel 0 and pixel 255 are to a model from elsewhere.
        labels: of the classes of a model from elsewhere, and ``person_label`` the one of them that is a person.
        fine_tune: always or never; None does it if int8 loses more than :data:`ALLOWED_LOSS` points.

    Raises:
        ModelError: the network cannot be opened or converted.
        DataError: pictures are missing, or the model cannot be written.
    """
    if is_training(path) and (size is not None or pixel_range is not None):
        raise ModelError(
            f"{path} is a training: its size and pixel range are known", hint="Leave out --size and --pixel-range."
        )
    network = open_source(path, dataset)
    packed = pack(
        network.model,
        dataset,
        output,
        splits=splits,
        size=None if size is None else (size, size),
        pixel_range=pixel_range,
        labels=labels,
        person_label=person_label,
        fine_tune=None if fine_tune is False else network.fine_tune,
        allowed_loss=-100.0 if fine_tune else ALLOWED_LOSS,
        description=network.description,
        about={"data": describe_data(dataset), **network.about},
        progress=progress,
    )
    if is_training(path):  # what fine-tuning on somebody's own pictures begins from
        save_weights(network.model, output.with_suffix(".weights.h5"))
    return packed


def _last_row(path: Path) -> dict[str, float]:
    """The last whole epoch of a training's log; empty without one. Logs of earlier versions may end in half a line."""
    try:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            rows = list(csv.DictReader(file))
    except OSError:
        return {}
    for row in reversed(rows):
        try:
            return {name: json.loads(value) for name, value in row.items()}
        except (TypeError, ValueError):
            continue
    return {}
