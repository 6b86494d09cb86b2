"""A model as people have it: a ``.tflite`` file, its card, and the reference that says what it computes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from vww_deploy import resources
from vww_deploy.errors import ModelError
from vww_deploy.graph.ir import Graph
from vww_deploy.graph.reader import read_model
from vww_deploy.graph.reference import Reference
from vww_deploy.pictures import preprocess
from vww_deploy.pictures.card import ModelCard

DEFAULT_MODEL: Final = "person_96_gray"
"""The shipped model that is taken where none is named."""


@dataclass(frozen=True, eq=False)
class Model:
    """A model file, read.

    Attributes:
        path: of the ``.tflite`` file.
        graph: the network.
        card: the file ``NAME.json`` beside it, or the default one.
    """

    path: Path
    graph: Graph
    card: ModelCard

    @classmethod
    def load(cls, source: str | Path | None = None) -> Model:
        """Read a model.

        Args:
            source: a ``.tflite`` file, the name of a shipped model, or None for :data:`DEFAULT_MODEL`.

        Raises:
            ModelError: there is no such model, it cannot be read or not be compiled.
            DataError: its card cannot be read or belongs to another input.
        """
        path = _find(source)
        graph = read_model(path)
        given = graph.input_activation
        beside = path.with_suffix(".json")
        if not beside.is_file():
            if (outputs := graph.output_activation.size) > 2:
                notice = (
                    f"{path.name} has {outputs} outputs and no model card: nobody knows which of them is a person; "
                    "P(person) is taken from the last one"
                )
                graph = graph.replace(notices=(*graph.notices, notice))
            return cls(path, graph, ModelCard.default_for(path.stem, *given.shape))
        card = ModelCard.load(beside)
        if (card.input.height, card.input.width, card.input.channels) != given.shape:
            raise ModelError(
                f"{beside} describes an input of {card.input.height} x {card.input.width} x {card.input.channels}, "
                f"but {path.name} takes {given.height} x {given.width} x {given.channels}",
                hint=f"Correct {beside.name}, or move it away to use the defaults.",
            )
        return cls(path, graph, card)

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @property
    def sha256(self) -> str:
        """Of the file, in hex."""
        return self.graph.sha256

    @cached_property
    def reference(self) -> Reference:
        """LiteRT's reference interpreter with this model."""
        return Reference(self.graph)

    def to_input(self, image: Image.Image) -> npt.NDArray[np.int8]:
        """A picture as this model's int8 input, ``[height, width, channels]``."""
        return preprocess.to_input(image, self.card, self.graph.input_activation.quantization)


def load_model(source: str | Path | None = None) -> Model:
    """Read a model; arguments and errors as :meth:`Model.load` has them."""
    return Model.load(source)


def shipped_models() -> list[Path]:
    """The ``.tflite`` files that come with the package, by name."""
    return sorted(resources.models_dir().glob("*.tflite"))


def _find(source: str | Path | None) -> Path:
    path = Path(source if source is not None else DEFAULT_MODEL).expanduser()
    if path.is_file():
        return path
    if len(path.parts) == 1:
        for shipped in shipped_models():
            if str(path) in (shipped.stem, shipped.name):
                return shipped
    names = ", ".join(p.stem for p in shipped_models()) or "none"
    raise ModelError(f"there is no model {path}", hint=f"Give a .tflite file or a shipped model: {names}.")
