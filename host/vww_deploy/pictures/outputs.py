"""What a model's outputs mean: one record, from the model file to the report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from vww_deploy.pictures.class_labels import meaning

_MOST_CELLS: Final = 1 << 16


@dataclass(frozen=True)
class Cell:
    """A cell of a map that counts as one with a person: its row and column from the top left, and its probability."""

    row: int
    column: int
    probability: float


@dataclass(frozen=True)
class OutputSpec:
    """What the int8 outputs of a model mean.

    One sigmoid, two classes, n classes, or a map of cells each of which is one of those.

    Attributes:
        labels: of the classes, in the order of the outputs; a single sigmoid has two, and is the second one's
            probability.
        person: the index in ``labels`` of the class that counts as a person; None if nobody knows.
        origin: who named the labels, as in "labels from ..."; empty if nobody did.
        channels: outputs of each cell: 1 for a sigmoid, else one for each label.
        rows: of a map of cells; 1 for a classifier.
        columns: of a map of cells; 1 for a classifier.
        scale: of the int8 outputs; 0 in a run of an earlier version, which did not note it.
        zero_point: of the int8 outputs.
        probabilities: whether the outputs are probabilities already; else they are logits.
        chosen: whether a cell's only output is the number of its class, as ARG_MAX gives it; that one's probability is
            then 1.

    Raises:
        ValueError: the fields contradict each other.
    """

    labels: tuple[str, ...] = ("no person", "person")
    person: int | None = 1
    origin: str = ""
    channels: int = 2
    rows: int = 1
    columns: int = 1
    scale: float = 0.0
    zero_point: int = 0
    probabilities: bool = True
    chosen: bool = False

    def __post_init__(self) -> None:
        cells = self.rows * self.columns
        if min(self.rows, self.columns, self.channels) < 1 or cells > _MOST_CELLS:
            raise ValueError(f"outputs of {self.rows} x {self.columns} cells of {self.channels}")
        if len(self.labels) != max(2, self.channels) and not (self.chosen and self.channels == 1 < len(self.labels)):
            raise ValueError(f"{len(self.labels)} labels for {self.channels} outputs")
        if self.person is not None and not 0 <= self.person < len(self.labels):
            raise ValueError(f"the person is output {self.person} of {len(self.labels)}")
        if not 0 <= self.scale < math.inf:
            raise ValueError(f"outputs of scale {self.scale}")

    @classmethod
    def of_earlier(cls, labels: Sequence[str]) -> OutputSpec:
        """The record of a run by a version that noted labels alone: the person was the label ``person``, or the last.

        Raises:
            ValueError: fewer than two labels.
        """
        person = labels.index("person") if "person" in labels else len(labels) - 1
        return cls(tuple(labels), person, "the run", channels=len(labels))

    @property
    def kind(self) -> str:
        """The outputs in words."""
        classes = "one sigmoid" if self.channels == 1 else f"{self.channels} classes"
        if self.chosen:
            classes = f"the number of one of {len(self.labels)} classes"
        return classes if not self.is_map else f"a map of {self.rows} x {self.columns} cells, each {classes}"

    @property
    def is_map(self) -> bool:
        """Whether there are several cells."""
        return self.rows * self.columns > 1

    @property
    def positive(self) -> int:
        """The index of the class that thresholds are about: the person, or the last one if nobody knows."""
        return len(self.labels) - 1 if self.person is None else self.person

    @property
    def pair(self) -> tuple[str, str]:
        """What thresholds distinguish: all the others' name, and the label of :attr:`positive`."""
        label = self.labels[self.positive]
        return (self.labels[1 - self.positive] if len(self.labels) == 2 else f"no {label}"), label

    def meaning(self, name: str) -> int | None:
        """What a folder's name says about the pictures in it: 1 for :attr:`positive`, 0 for another one.

        See :func:`vww_deploy.pictures.class_labels.meaning`. The model's own labels count if it is known which one is
        meant.
        """
        return meaning(name, self.labels, self.person)

    @property
    def known_as(self) -> tuple[str, str]:
        """What a picture's label 0 and 1 are called: :attr:`pair`, or a person's if nobody knows that output."""
        return ("no person", "person") if self.person is None else self.pair

    @property
    def chance(self) -> str:
        """The name of that class's probability: ``P(person)``, or ``P(class 2)`` if nobody knows."""
        return f"P({self.labels[self.positive]})"

    @property
    def doubt(self) -> str:
        """What to tell the user if nobody knows which class is a person; else empty."""
        if self.person is not None:
            return ""
        return (
            f"nobody knows which of the outputs is a person: {', '.join(self.labels)}; say it with "
            "--person-label NAME, and name them all with --labels FILE or a labels.txt beside the model"
        )

    def all_probabilities(self, outputs: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The probabilities, ``[rows, columns, labels]``, of the int8 outputs of one inference.

        Logits go through a softmax; a single one through a sigmoid.

        Raises:
            ValueError: another number of outputs, or a run that does not note their scale.
        """
        if not self.scale:
            raise ValueError("the scale of the outputs is not known")
        raw = np.asarray(outputs, np.float64).reshape(self.rows, self.columns, self.channels)
        if self.chosen:
            return np.asarray(raw == np.arange(len(self.labels)), np.float64)
        real = (raw - self.zero_point) * self.scale
        if self.channels == 1:
            second = np.clip(real, 0.0, 1.0) if self.probabilities else 1.0 / (1.0 + np.exp(-real))
            return np.concatenate([1.0 - second, second], axis=2)
        if self.probabilities:
            return np.clip(real, 0.0, 1.0)
        powers = np.exp(real - real.max(axis=2, keepdims=True))
        normalised: npt.NDArray[np.float64] = powers / powers.sum(axis=2, keepdims=True)
        return normalised

    def p_person(self, outputs: npt.ArrayLike) -> float:
        """P(person), 0..1; of a map the largest cell's. If nobody knows the person, that of :attr:`positive`."""
        return float(self.all_probabilities(outputs)[:, :, self.positive].max())

    def top(self, outputs: npt.ArrayLike, count: int = 3) -> tuple[tuple[str, float], ...]:
        """The likeliest classes and their probabilities, the likeliest first; of a map by each one's largest cell."""
        if not self.scale or np.size(outputs) != self.rows * self.columns * self.channels:
            return ()
        each = self.all_probabilities(outputs).max(axis=(0, 1))
        return tuple((self.labels[i], float(each[i])) for i in np.argsort(-each, kind="stable")[:count])

    def cells(self, outputs: npt.ArrayLike, threshold: float) -> tuple[Cell, ...]:
        """The cells of a map that reach the threshold, the likeliest first; none for a classifier."""
        if not self.is_map or not self.scale or np.size(outputs) != self.rows * self.columns * self.channels:
            return ()
        chance = self.all_probabilities(outputs)[:, :, self.positive]
        found = [Cell(int(y), int(x), float(chance[y, x])) for y, x in np.argwhere(chance >= threshold)]
        return tuple(sorted(found, key=lambda cell: -cell.probability))

    def prediction(self, p_person: float, outputs: npt.ArrayLike, threshold: float) -> str:
        """The label of the answer: the person's from the threshold on, else the likeliest other one.

        If nobody knows which one is the person, the likeliest of all.
        """
        likeliest = [label for label, _ in self.top(outputs, len(self.labels))]
        if self.person is None and likeliest and not self.is_map:
            return likeliest[0]
        person = self.labels[self.positive]
        if p_person >= threshold:
            return person
        return next((label for label in likeliest if label != person), self.pair[0])

    def detail(self, outputs: npt.ArrayLike, threshold: float) -> str:
        """What there is to say beside the prediction: the likeliest of several classes, or where a map's cells are."""
        if self.is_map:
            cells = self.cells(outputs, threshold)
            where = ", ".join(f"row {cell.row} column {cell.column}" for cell in cells[:3])
            count = f"{len(cells)} cell{'' if len(cells) == 1 else 's'} in {places(cells)}"
            more = ", ..." if len(cells) > 3 else ""
            return f"{count} place{'' if places(cells) == 1 else 's'}: {where}{more}" if cells else ""
        if len(self.labels) == 2:
            return ""
        return ", ".join(f"{label} {chance:.3f}" for label, chance in self.top(outputs))


def places(cells: Sequence[Cell]) -> int:
    """How many things the cells show: those that touch, also at a corner, count as one."""
    left = {(cell.row, cell.column) for cell in cells}
    found = 0
    while left:
        found += 1
        waiting = [left.pop()]
        while waiting:
            row, column = waiting.pop()
            near = {(row + y, column + x) for y in (-1, 0, 1) for x in (-1, 0, 1)} & left
            left -= near
            waiting += near
    return found
