"""How much worse a model gets where boards live: in the dark, with cheap lenses, on slanted mounts."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from vww_deploy.graph.model import Model
from vww_deploy.pictures import preprocess
from vww_deploy.pictures.card import InputSpec
from vww_deploy.training.datasets import Dataset
from vww_deploy.training.evaluate import Probability, answer_all

_GROUND: Final = (118, 118, 118)  # what lies beyond a picture that was turned


@dataclass(frozen=True)
class Degraded:
    """A model's accuracy on pictures that were all degraded in one way."""

    name: str
    top1: float
    person: float
    no_person: float


def degraded_accuracy(
    model: Model, dataset: Dataset, probability: Probability, tick: Callable[[], None] = lambda: None
) -> tuple[Degraded, ...]:
    """Top-1 and both classes on the pictures as they are (``clean``), and under each of :data:`DEGRADATIONS`.

    Pictures are degraded at the model's own size, as its camera would deliver them; ``tick`` is called after each.

    Raises:
        DataError: no picture is readable.
    """
    return tuple(
        _figures(name, model, dataset, probability, change, tick)
        for name, change in (("clean", _clean), *DEGRADATIONS.items())
    )


def mean_loss(figures: tuple[Degraded, ...]) -> float:
    """Top-1 that is lost against clean pictures on average over the degradations, as a part."""
    clean, *others = figures
    return clean.top1 - float(np.mean([one.top1 for one in others]))


def _figures(
    name: str,
    model: Model,
    dataset: Dataset,
    probability: Probability,
    change: Callable[[Image.Image, np.random.Generator], Image.Image],
    tick: Callable[[], None],
) -> Degraded:
    spec = model.card.input
    rng = np.random.default_rng(1)  # the same noise every time

    def degraded(image: Image.Image) -> Image.Image:
        small = InputSpec(spec.height, spec.width, 3, spec.resize)
        return change(Image.fromarray(preprocess.to_pixels(image, small)), rng)

    answers, _ = answer_all(model, dataset, probability, tick, change=degraded)
    labels = np.array([one.picture.label for one in answers])
    right = np.array([one.person >= model.card.threshold for one in answers]) == (labels == 1)
    return Degraded(name, float(right.mean()), float(right[labels == 1].mean()), float(right[labels == 0].mean()))


def _clean(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image


def _gained(image: Image.Image, gains: tuple[float, float, float]) -> Image.Image:
    return _rounded(np.asarray(image, np.float64) * np.array(gains))


def _rounded(values: npt.NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.clip(np.round(values), 0, 255).astype(np.uint8))


def _noisy(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    values = np.asarray(image, np.float64)
    return _rounded(values + rng.normal(0.0, 0.05 * 255, values.shape))


def _blurred(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(image.width / 96))


def _halved(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    half = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
    return half.resize(image.size, Image.Resampling.BILINEAR)


def _turned(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    angle = 10.0 if rng.random() < 0.5 else -10.0
    return image.rotate(angle, Image.Resampling.BILINEAR, fillcolor=_GROUND)


def _jpeg(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=25)
    return Image.open(file).convert("RGB")


DEGRADATIONS: Final[dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]]] = {
    "dark": lambda image, rng: _gained(image, (0.35, 0.35, 0.35)),
    "bright": lambda image, rng: _gained(image, (1.7, 1.7, 1.7)),
    "noise": _noisy,
    "blur": _blurred,
    "half resolution": _halved,
    "rotated by 10 degrees": _turned,
    "JPEG": _jpeg,
    "colour cast": lambda image, rng: _gained(image, (1.25, 1.0, 0.65)),
}
"""Light times 0.35 and 1.7; noise with a deviation of 5 % of full scale; a Gaussian blur of 1/96 of the width; half the
size and enlarged again; 10 degrees to either side; JPEG of quality 25; red times 1.25 and blue times 0.65."""
