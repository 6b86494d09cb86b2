"""A model as people have it: a ``.tflite`` file, its card, and the reference that says what it computes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from vww_deploy import resources
from vww_deploy.errors import DataError, ModelError
from vww_deploy.graph.ir import Graph
from vww_deploy.graph.reader import read_model
from vww_deploy.graph.reference import Reference
from vww_deploy.pictures import class_labels, preprocess
from vww_deploy.pictures.card import InputSpec, ModelCard
from vww_deploy.pictures.outputs import OutputSpec

DEFAULT_MODEL: Final = "person_96_gray"
"""The shipped model that is taken where none is named."""


@dataclass(frozen=True, eq=False)
class Model:
    """A model file, read.

    Attributes:
        path: of the ``.tflite`` file.
        graph: the network.
        card: the file ``NAME.json`` beside it, or one that says nothing but the size of the input.
        outputs: what they mean.
    """

    path: Path
    graph: Graph
    card: ModelCard
    outputs: OutputSpec

    @classmethod
    def load(
        cls, source: str | Path | None = None, *, labels: Path | None = None, person_label: str | None = None
    ) -> Model:
        """Read a model.

        Args:
            source: a ``.tflite`` file, the name of a shipped model, or None for :data:`DEFAULT_MODEL`.
            labels: a file with the names of the outputs' classes, one a line; without it the card's, those packed
                into the model, or those of ``labels.txt`` beside it.
            person_label: the name of the class that counts as a person, where the names do not say it.

        Raises:
            ModelError: there is no such model, it cannot be read or not be compiled.
            DataError: its card cannot be read or belongs to another input.
        """
        path = _find(source)
        graph = read_model(path)
        given = graph.input_activation
        beside = path.with_suffix(".json")
        card = ModelCard.load(beside) if beside.is_file() else ModelCard(path.stem, InputSpec(*given.shape))
        if (card.input.height, card.input.width, card.input.channels) != given.shape:
            raise ModelError(
                f"{beside} describes an input of {card.input.height} x {card.input.width} x {card.input.channels}, "
                f"but {path.name} takes {given.height} x {given.width} x {given.channels}",
                hint=f"Correct {beside.name}, or move it away to use the defaults.",
            )
        outputs, notices = _outputs(graph, card, path, labels, person_label)
        return cls(path, graph.replace(notices=(*graph.notices, *notices)), card, outputs)

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


def load_model(
    source: str | Path | None = None, *, labels: Path | None = None, person_label: str | None = None
) -> Model:
    """Read a model; arguments and errors as :meth:`Model.load` has them."""
    return Model.load(source, labels=labels, person_label=person_label)


def output_spec(graph: Graph, labels: Sequence[str] = (), *, person: int | None = None, origin: str = "") -> OutputSpec:
    """What a graph's outputs mean if their classes have these names; ``class 0``, ``class 1``, ... without names."""
    last = graph.output_activation
    producer = next(op.kind for op in reversed(graph.ops) if op.output == graph.output)
    quantization = last.quantization
    is_softmax_scale = math.isclose(quantization.scale, 1 / 256) and quantization.zero_point == -128
    return OutputSpec(
        labels=tuple(labels) or tuple(f"class {i}" for i in range(max(2, _classes(graph)))),
        person=person,
        origin=origin,
        channels=last.channels,
        rows=last.height,
        columns=last.width,
        scale=quantization.scale,
        zero_point=quantization.zero_point,
        probabilities=is_softmax_scale or producer in ("SOFTMAX", "LOGISTIC"),
        chosen=producer == "ARG_MAX",
    )


def _classes(graph: Graph) -> int:
    """How many classes the outputs distinguish; 1 is a sigmoid."""
    last = next(op for op in reversed(graph.ops) if op.output == graph.output)
    return graph.activations[last.inputs[0] if last.kind == "ARG_MAX" else last.output].channels


def shipped_models() -> list[Path]:
    """The ``.tflite`` files that come with the package, by name."""
    return sorted(resources.models_dir().glob("*.tflite"))


def _outputs(
    graph: Graph, card: ModelCard, path: Path, labels: Path | None, person_label: str | None
) -> tuple[OutputSpec, list[str]]:
    """What the outputs mean, and what to tell the user about labels that were not taken."""
    last, notices = graph.output_activation, []
    classes = _classes(graph)
    is_map = last.height * last.width > 1
    count = "one output" if classes == 1 else f"{classes} classes"
    names: tuple[str, ...] | None = None
    origin = ""
    if labels is not None:
        given = class_labels.read_labels_txt(labels)
        names, origin = class_labels.fitted(given, classes, is_map=is_map), str(labels)
        if names is None:
            raise DataError(
                f"{labels} names {len(given)} classes, but {path.name} has {count}",
                hint="Give the labels file that belongs to this model: a name a line, in the order of the outputs.",
            )
    elif card.labels:
        names, origin = class_labels.fitted(card.labels, classes, is_map=is_map), "the model card"
        if names is None:
            raise ModelError(
                f"{path.with_suffix('.json')} names {len(card.labels)} labels, but {path.name} has {count}",
                hint="Correct the card's labels, or take them out.",
            )
    else:
        packed = class_labels.packed_labels(path.read_bytes())
        fitting = {one for one in (class_labels.fitted(p, classes, is_map=is_map) for p in packed) if one}
        beside = path.with_name(class_labels.BESIDE)
        if len(fitting) == 1:
            names, origin = fitting.pop(), "the model file"
        elif beside.is_file():
            given = class_labels.read_labels_txt(beside)
            names, origin = class_labels.fitted(given, classes, is_map=is_map), beside.name
            if names is None:
                origin = ""
                notices.append(f"{beside} names {len(given)} classes, but {path.name} has {count}: it is not used")
        if packed and origin != "the model file":
            notices.append(f"the labels packed into {path.name} do not fit its {count}: they are not used")
    spec = output_spec(graph, names or (), origin=origin)
    wanted = person_label or card.person_label
    if not wanted:
        return dataclasses.replace(spec, person=class_labels.find_person(names or ())), notices
    if names is None and classes == 1:  # the only output has no name but this one
        return dataclasses.replace(spec, labels=(f"no {wanted}", wanted), person=1, origin="--person-label"), notices
    person = class_labels.index_of(spec.labels, wanted)
    if person is None:
        raise DataError(
            f"no class of {path.name} is called {wanted!r}", hint=f"Its classes are: {', '.join(spec.labels)}."
        )
    return dataclasses.replace(spec, person=person), notices


def _find(source: str | Path | None) -> Path:
    if source is not None and not str(source).strip():
        raise ModelError("the name of the model is empty", hint="Give a .tflite file or a shipped model.")
    path = Path(source if source is not None else DEFAULT_MODEL).expanduser()
    if path.is_file():
        return path
    if len(path.parts) == 1:
        for shipped in shipped_models():
            if str(path) in (shipped.stem, shipped.name):
                return shipped
    if path.exists():
        return path
    names = ", ".join(p.stem for p in shipped_models()) or "none"
    raise ModelError(f"there is no model {path}", hint=f"Give a .tflite file or a shipped model: {names}.")
