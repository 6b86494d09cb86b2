"""The model card: what a ``.tflite`` file does not say about itself.

``NAME.json`` beside ``NAME.tflite``. A model without a card has one that says nothing but the size of its input.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from vww_deploy.errors import DataError
from vww_deploy.files import write_whole

RESIZES: Final = ("squash", "crop")


@dataclass(frozen=True)
class InputSpec:
    """The picture that a model takes.

    Attributes:
        height: pixels.
        width: pixels.
        channels: 1 for gray (BT.601 luma), 3 for RGB.
        resize: ``squash`` stretches the whole picture to the model's size, ``crop`` cuts the largest centred part of
            its aspect ratio first.
        pixel_range: the real numbers that pixel 0 and pixel 255 stand for; None if the int8 input is simply ``pixel -
            128``.
    """

    height: int
    width: int
    channels: int
    resize: str = "squash"
    pixel_range: tuple[float, float] | None = None

    @property
    def crop(self) -> tuple[int, int] | None:
        """Height and width of the shape that pictures are cropped to; None where ``resize`` is ``squash``."""
        return (self.height, self.width) if self.resize == "crop" else None


@dataclass(frozen=True)
class ModelCard:
    """What is known about a model: its input, its labels, and where it comes from.

    Attributes:
        name: of the model, as people call it.
        input: the picture it takes.
        labels: of its outputs, in their order; empty if nobody has said.
        person_label: the one of them that counts as a person; empty if they say it themselves.
        threshold: P(person) from which a picture counts as one with a person.
        sha256: of the ``.tflite`` file; empty if not recorded.
        description: one line.
        details: everything else that is recorded (training data, accuracy, sizes, ...), as JSON values.
    """

    name: str
    input: InputSpec
    labels: tuple[str, ...] = ()
    person_label: str = ""
    threshold: float = 0.5
    sha256: str = ""
    description: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> ModelCard:
        """Read a card.

        Raises:
            DataError: the file is missing, is not JSON, or lacks or misuses a field.
        """
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise DataError(f"{path} is no model card: {error}", hint="See models/*.json for the form.") from error

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ModelCard:
        """The card that :meth:`to_json` wrote. Raises ValueError, TypeError or KeyError on anything else."""
        given = dict(values)
        spec = dict(given.pop("input"))
        if spec.get("pixel_range") is not None:
            low, high = spec["pixel_range"]
            spec["pixel_range"] = (float(low), float(high))
        card = cls(
            input=InputSpec(**spec),
            name=str(given.pop("name")),
            labels=tuple(str(label) for label in given.pop("labels", ())),
            person_label=str(given.pop("person_label", "")),
            threshold=float(given.pop("threshold")),
            sha256=str(given.pop("sha256", "")),
            description=str(given.pop("description", "")),
            details=given,
        )
        if not math.isfinite(card.threshold):
            raise ValueError(f"the threshold is {card.threshold}")
        if card.input.resize not in RESIZES:
            raise ValueError(f"resize {card.input.resize!r} is none of {', '.join(RESIZES)}")
        if min(card.input.height, card.input.width, card.input.channels) < 1:
            raise ValueError("the input has no pixels")
        return card

    def to_json(self) -> dict[str, Any]:
        """JSON values: the fields, and the details beside them."""
        values = dataclasses.asdict(self)
        details = values.pop("details")
        if not self.person_label:
            del values["person_label"]
        return {**values, **details}

    def save(self, path: Path) -> None:
        """Write the card as ``NAME.json``, whole or not at all.

        Raises:
            DataError: a file of that name is no model card: it is somebody else's and stays.
            OSError: it cannot be written.
        """
        self.check_place(path)
        text = json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n"
        write_whole(path, text.encode())

    @staticmethod
    def check_place(path: Path) -> None:
        """Raise DataError if writing a card to ``path`` would overwrite something else than a card."""
        if not path.exists():
            return
        try:
            ModelCard.load(path)
        except DataError as error:
            raise DataError(
                f"{path} is no model card and would be overwritten", hint="Move it away, or name the model otherwise."
            ) from error
