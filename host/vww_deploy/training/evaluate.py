"""How good a model is on a set of pictures: figures, by person size and by brightness, and its worst mistakes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from vww_deploy.errors import DataError
from vww_deploy.graph.model import Model
from vww_deploy.pictures import preprocess
from vww_deploy.training import metrics
from vww_deploy.training.datasets import Dataset, LabelledPicture

FALSE_ALARM_RATES: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1, 0.2)
AREA_EDGES: tuple[float, ...] = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0001)


@dataclass(frozen=True)
class Answer:
    """What the model said of one picture, and the picture's mean luma, 0..255."""

    picture: LabelledPicture
    person: float
    brightness: float


@dataclass(frozen=True)
class Group:
    """Accuracy of a part of the pictures."""

    name: str
    pictures: int
    top1: float


@dataclass(frozen=True)
class ThresholdChoice:
    """The threshold to use for a wanted false-alarm rate, and what it gives."""

    wanted: float
    threshold: float
    false_alarm_rate: float
    hit_rate: float


@dataclass(frozen=True)
class Evaluation:
    """The figures of a model on a set of pictures."""

    model: str
    model_sha256: str
    dataset: str
    split: str
    ran_on: str
    pictures: int
    skipped: int
    threshold: float
    classes: tuple[str, str]
    """What is distinguished: the name of all the others, and the positive class's, of which it says the probability."""
    top1: float
    person: float
    """Part of the persons (or what else the positive class is) that were found."""
    no_person: float
    """Part of the other pictures that were recognised."""
    confusion: tuple[tuple[int, int], tuple[int, int]]
    roc_auc: float
    average_precision: float
    f1: float
    f1_by_threshold: tuple[tuple[float, float], ...]
    """F1 of the person at the thresholds 0.05, 0.1, ... 0.95."""
    best_f1: float
    best_f1_threshold: float
    calibration_error: float
    calibration: tuple[metrics.Bin, ...]
    thresholds: tuple[ThresholdChoice, ...]
    by_person_size: tuple[Group, ...]
    by_brightness: tuple[Group, ...]
    by_source: tuple[Group, ...]


Probability = Callable[[npt.NDArray[np.int8]], float]
"""P(person) of an int8 input ``[height, width, channels]``."""


def reference_probability(model: Model) -> Probability:
    """P(person) by LiteRT's reference kernels on this computer."""
    return lambda values: model.outputs.p_person(model.reference.run(values))


def answer_all(
    model: Model,
    dataset: Dataset,
    probability: Probability,
    tick: Callable[[], None] = lambda: None,
    *,
    change: Callable[[Image.Image], Image.Image] = lambda image: image,
) -> tuple[list[Answer], list[str]]:
    """Ask the model about every picture; unreadable ones are left out and reported (second value).

    ``change`` is done to each picture before the model sees it.

    Raises:
        DataError: none is readable.
    """
    answers, skipped = [], []
    for picture in dataset.pictures:
        try:
            image = preprocess.open_picture(preprocess.read_picture_file(picture.path), str(picture.path))
            image = change(image)
            values = model.to_input(image)
        except DataError as error:
            skipped.append(error.message)
        else:
            answers.append(Answer(picture, probability(values), brightness_of(image)))
        tick()
    if not answers:
        raise DataError(f"no picture of {dataset.origin} is readable", hint=skipped[0] if skipped else "")
    return answers, skipped


def brightness_of(image: Image.Image) -> float:
    """The mean luma of a whole picture, 0..255."""
    return float(preprocess.coloured_pixels(image, "L").mean())


def evaluate(
    model: Model, dataset: Dataset, answers: Sequence[Answer], *, split: str, ran_on: str, skipped: int = 0
) -> Evaluation:
    """The figures of a model's answers.

    Raises:
        DataError: the pictures are of one class only, or nobody knows which output is a person.
    """
    if model.outputs.doubt:
        raise DataError(f"{model.name} cannot be judged", hint=model.outputs.doubt)
    person = np.array([one.person for one in answers])
    labels = np.array([one.picture.label for one in answers])
    threshold = model.card.threshold
    table = metrics.confusion(person, labels, threshold)
    auc, f1 = metrics.roc_auc(person, labels), metrics.f1_curve(person, labels)
    best = int(np.argmax(f1.y))
    bins = metrics.calibration(person, labels)
    (right_no, alarms), (misses, hits) = table
    return Evaluation(
        model=model.name,
        model_sha256=model.sha256,
        dataset=str(dataset.origin),
        split=split,
        ran_on=ran_on,
        pictures=len(answers),
        skipped=skipped,
        threshold=threshold,
        classes=model.outputs.pair,
        top1=(right_no + hits) / len(answers),
        person=hits / (hits + misses),
        no_person=right_no / (right_no + alarms),
        confusion=table,
        roc_auc=auc,
        average_precision=metrics.average_precision(person, labels),
        f1=_f1(table),
        f1_by_threshold=tuple((step / 20, _f1(metrics.confusion(person, labels, step / 20))) for step in range(1, 20)),
        best_f1=float(f1.y[best]),
        best_f1_threshold=float(f1.x[best]),
        calibration_error=metrics.calibration_error(bins),
        calibration=tuple(bins),
        thresholds=tuple(choose_threshold(person, labels, rate) for rate in FALSE_ALARM_RATES),
        by_person_size=_by_person_size(answers, threshold),
        by_brightness=_by_brightness(answers, threshold),
        by_source=_by_source(answers, threshold),
    )


def evaluate_folder(model: Model, data: Path, *, split: str = "test") -> Evaluation:
    """Measure a model on labelled pictures with the reference on this computer.

    Args:
        model: read, see :func:`vww_deploy.load_model`.
        data: a folder with ``person/`` and ``no_person/``, or another form that ``vww-deploy train`` reads.
        split: ``train``, ``val`` or ``test``; ``all`` for every picture.

    Raises:
        DataError: the data cannot be read, or no picture of it can be used.
    """
    from vww_deploy.training.datasets import read_dataset

    dataset = read_dataset(data, outputs=model.outputs)
    chosen = dataset if split == "all" else dataset.split(split)
    answers, skipped = answer_all(model, chosen, reference_probability(model))
    ran_on = "the reference on this computer"
    return evaluate(model, chosen, answers, split=split, ran_on=ran_on, skipped=len(skipped))


def choose_threshold(person: npt.ArrayLike, labels: npt.ArrayLike, wanted: float) -> ThresholdChoice:
    """The threshold for a wanted false-alarm rate, 0..1."""
    threshold = metrics.threshold_for(person, labels, wanted)
    (right_no, alarms), (misses, hits) = metrics.confusion(person, labels, threshold)
    return ThresholdChoice(wanted, threshold, alarms / (alarms + right_no), hits / (hits + misses))


def worst_mistakes(answers: Sequence[Answer], threshold: float, count: int = 24) -> list[Answer]:
    """The wrong answers that lie farthest from the threshold, the farthest first."""
    wrong = [one for one in answers if (one.person >= threshold) != (one.picture.label == 1)]
    return sorted(wrong, key=lambda one: -abs(one.person - threshold))[:count]


def _f1(confusion: tuple[tuple[int, int], tuple[int, int]]) -> float:
    (_, alarms), (misses, hits) = confusion
    return 2 * hits / max(1, 2 * hits + alarms + misses)


def _top1(answers: Sequence[Answer], threshold: float) -> float:
    return float(np.mean([(one.person >= threshold) == (one.picture.label == 1) for one in answers]))


def _by_person_size(answers: Sequence[Answer], threshold: float) -> tuple[Group, ...]:
    """Persons by the part of the picture that the largest one's box covers."""
    groups = []
    for low, high in pairwise(AREA_EDGES):
        chosen = [
            one
            for one in answers
            if one.picture.label and one.picture.person_area is not None and low <= one.picture.person_area < high
        ]
        if chosen:
            name = f"{low * 100:g} to {min(high, 1) * 100:g} %"
            groups.append(Group(name, len(chosen), _top1(chosen, threshold)))
    return tuple(groups)


def _by_brightness(answers: Sequence[Answer], threshold: float, parts: int = 5) -> tuple[Group, ...]:
    """Equal parts of the pictures by their mean luma."""
    ordered = sorted(answers, key=lambda one: one.brightness)
    edges = [len(ordered) * i // parts for i in range(parts + 1)]
    groups = []
    for first, last in pairwise(edges):
        chosen = ordered[first:last]
        if chosen:
            name = f"luma {chosen[0].brightness:.0f} to {chosen[-1].brightness:.0f}"
            groups.append(Group(name, len(chosen), _top1(chosen, threshold)))
    return tuple(groups)


def _by_source(answers: Sequence[Answer], threshold: float) -> tuple[Group, ...]:
    names = sorted({one.picture.source for one in answers if one.picture.source})
    by_name = {name: [one for one in answers if one.picture.source == name] for name in names}
    return tuple(Group(name, len(chosen), _top1(chosen, threshold)) for name, chosen in by_name.items())
