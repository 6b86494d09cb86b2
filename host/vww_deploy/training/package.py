"""A trained network made ready to ship: int8, measured, and described by a model card."""

from __future__ import annotations

import datetime
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from vww_deploy.compiler import Compiled, compile_model
from vww_deploy.errors import BuildError, DataError, ModelError, ToolMissing
from vww_deploy.files import write_whole
from vww_deploy.graph.model import Model, output_spec
from vww_deploy.graph.reader import read_model
from vww_deploy.pictures import class_labels, preprocess
from vww_deploy.pictures.card import InputSpec, ModelCard
from vww_deploy.pictures.outputs import OutputSpec
from vww_deploy.training import metrics
from vww_deploy.training.datasets import SPLITS, Dataset
from vww_deploy.training.evaluate import reference_probability
from vww_deploy.training.float_form import scales_pictures, takes_raw_pixels
from vww_deploy.training.interpret import PixelRange, open_interpreter
from vww_deploy.training.quantize import (
    LayerNoise,
    ease,
    float_tflite,
    layer_noise,
    load_keras,
    predict_tflite,
    quantise,
    sample,
)

CALIBRATION_PICTURES: Final = 400
ALLOWED_LOSS: Final = 0.5
"""Percentage points of top-1 that int8 may lose before it is fine-tuned."""
_NOISE_PICTURES: Final = 16
LABELS: Final = ("no person", "person")
"""What the networks that are trained here end in."""


@dataclass(frozen=True)
class Figures:
    """A network on one split."""

    pictures: int
    top1: float
    person: float
    no_person: float
    roc_auc: float


@dataclass(frozen=True)
class Packed:
    """A model that was quantised, beside the network that it was."""

    path: Path
    card: ModelCard
    float_figures: dict[str, Figures]
    int8_figures: dict[str, Figures]
    noise: tuple[LayerNoise, ...]
    """The layers by signal to noise, the noisiest first; before fine-tuning."""
    fine_tuned: bool = False
    unreadable: tuple[str, ...] = ()
    """What was wrong with the pictures that were left out."""

    @property
    def lost_points(self) -> float:
        """Top-1 that int8 loses against float on ``val`` (or the first split without it), in percentage points."""
        split = _judge(tuple(self.float_figures))
        return 100.0 * (self.float_figures[split].top1 - self.int8_figures[split].top1)


FineTune = Callable[[], Any]
"""Gives the network again, fine-tuned for int8."""


def pack(
    source: Any,
    dataset: Dataset,
    path: Path,
    *,
    splits: tuple[str, ...] = ("val",),
    size: tuple[int, int] | None = None,
    pixel_range: PixelRange = None,
    labels: Sequence[str] = (),
    person_label: str | None = None,
    seed: int = 1,
    allowed_loss: float = ALLOWED_LOSS,
    fine_tune: FineTune | None = None,
    description: str = "",
    about: dict[str, Any] | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Packed:
    """Quantise a network, measure it beside the float one, and write ``path`` and its model card.

    int8 is measured by LiteRT's reference kernels, which boards equal bit for bit: ``evaluate`` says the same.

    Args:
        source: a Keras model or the path of one, of a SavedModel or of a float ``.tflite``.
        dataset: gives the calibration pictures (from ``train``) and those to measure on.
        splits: to measure on; ``val``, or the first without it, decides about fine-tuning.
        size: height and width, for a model that takes any.
        pixel_range: the real numbers that pixel 0 and pixel 255 are to the network; 0 and 255 by itself where the
            network scales its pictures.
        labels: of the network's classes; (no person, person) of a network with two outputs or one.
        person_label: the one that is a person, if its name does not say so.
        allowed_loss: percentage points of top-1 that int8 may lose before ``fine_tune`` is asked; -100 asks it always.
        fine_tune: gives the network fine-tuned for int8; kept if it is nearer to float on ``val``.
        about: what else the card records: recipe, seeds, data.
        progress: called with what is being done.

    Raises:
        ModelError: the network cannot be converted, or does not map pictures to (no person, person).
        DataError: pictures are missing, or the model cannot be written.
    """
    ModelCard.check_place(path.with_suffix(".json"))  # before the work, not after it
    progress("converting")
    if isinstance(source, Path) and source.suffix in (".keras", ".h5", ".hdf5"):
        source = load_keras(source)
    given = float_tflite(source, size=size)
    if pixel_range is None and (scales_pictures(source) or takes_raw_pixels(given)):
        pixel_range = (0.0, 255.0)
    spec = replace(_spec(given), pixel_range=pixel_range)
    outputs = _outputs(given, labels, person_label)
    if size is not None and size != (spec.height, spec.width):
        raise ModelError(f"the model takes {spec.height} x {spec.width} only", hint="Leave out the size.")
    unreadable: list[str] = []
    training = tuple(one for one in dataset.pictures if one.split == "train") or dataset.pictures
    calibration, _ = pixels_of(
        sample_of(Dataset(dataset.origin, training), CALIBRATION_PICTURES, seed), spec, unreadable.append
    )
    progress("quantising")
    exact = ease(given, calibration, pixel_range)
    rough = quantise(exact, calibration, pixel_range=pixel_range)
    measured = {split: _measured_on(dataset.split(split), split, spec, unreadable.append) for split in splits}
    progress("measuring")
    said = {split: predict_tflite(given, data[0], pixel_range, outputs) for split, data in measured.items()}
    float_figures = {split: figures(said[split], data[1]) for split, data in measured.items()}
    noise = layer_noise(exact, rough, sample(calibration, _NOISE_PICTURES, seed), pixel_range)
    judge, tuned = _judge(splits), False
    pixels, truths = measured[judge]
    predicted = predict_reference(rough, spec, pixels, outputs)
    if fine_tune is not None and 100 * (float_figures[judge].top1 - figures(predicted, truths).top1) > allowed_loss:
        progress("fine-tuning for int8")
        better = quantise(ease(float_tflite(fine_tune(), size=size), calibration), calibration, like=exact)
        again = predict_reference(better, spec, pixels, outputs)
        # Nearer to float on pictures it has not seen, whatever their labels: no lucky draw of labels is kept.
        if _distance(again, said[judge]) < _distance(predicted, said[judge]):
            rough, predicted, tuned = better, again, True
    progress("measuring int8")
    int8_figures = {
        split: figures(predicted if split == judge else predict_reference(rough, spec, data[0], outputs), data[1])
        for split, data in measured.items()
    }
    about = {"seed": seed, "fine_tuned_for_int8": tuned, **(about or {})}
    if unreadable:
        about["unreadable"] = len(set(unreadable))
    card = _card(path.stem, rough, spec, outputs, float_figures, int8_figures, description, about)
    write_model(path, rough, card)
    return Packed(path, card, float_figures, int8_figures, tuple(noise), tuned, tuple(dict.fromkeys(unreadable)))


def sample_of(dataset: Dataset, count: int, seed: int) -> Dataset:
    """Some of the pictures, drawn at random without repetition."""
    order = np.sort(np.random.default_rng(seed).permutation(len(dataset.pictures))[:count])
    return Dataset(dataset.origin, tuple(dataset.pictures[i] for i in order))


def pixels_of(
    dataset: Dataset, spec: InputSpec, notice: Callable[[str], None] = lambda text: None
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The pictures that a model sees, uint8 ``[N, h, w, c]``, and labels ``[N]``; unreadable ones are left out.

    Args:
        notice: called with what is wrong with each picture that is left out.

    Raises:
        DataError: none is readable.
    """
    pictures: list[npt.NDArray[np.uint8]] = []
    labels: list[int] = []
    reason = ""
    for picture in dataset.pictures:
        try:
            image = preprocess.open_picture(preprocess.read_picture_file(picture.path), str(picture.path))
            pictures.append(preprocess.to_pixels(image, spec))
        except DataError as error:
            reason = error.message
            notice(reason)
        else:
            labels.append(picture.label)
    if not pictures:
        raise DataError(f"no picture of {dataset.origin} is readable", hint=reason)
    return np.stack(pictures), np.array(labels, np.int64)


def _measured_on(
    dataset: Dataset, split: str, spec: InputSpec, notice: Callable[[str], None]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Pictures and labels of a split, which holds both classes."""
    pixels, labels = pixels_of(dataset, spec, notice)
    for label, name in enumerate(("without a person", "with a person")):
        if label not in labels:
            raise DataError(
                f"the split {split} of {dataset.origin} has no readable picture {name}",
                hint="Measuring takes both classes: add such pictures to this split.",
            )
    return pixels, labels


def predict_reference(
    model: bytes, spec: InputSpec, pixels: npt.NDArray[np.uint8], outputs: OutputSpec | None = None
) -> metrics.Floats:
    """P(person), float64 ``[N]``, of an int8 ``.tflite`` by LiteRT's reference kernels; pixels are uint8
    ``[N, h, w, c]``.
    """
    graph = read_model(model)
    meant = outputs or OutputSpec(LABELS)
    outputs = output_spec(graph, meant.labels, person=meant.person)
    probability = reference_probability(Model(Path(graph.name), graph, ModelCard(graph.name, spec), outputs))
    quantization = graph.input_activation.quantization
    return np.array([probability(preprocess.quantise(one, spec, quantization)) for one in pixels])


def figures(person: npt.NDArray[np.floating[Any]], labels: npt.NDArray[np.int64]) -> Figures:
    """Top-1 (threshold 0.5), both classes, and the area under the ROC curve."""
    right = (person >= 0.5) == (labels == 1)
    return Figures(
        pictures=len(labels),
        top1=float(right.mean()),
        person=float(right[labels == 1].mean()),
        no_person=float(right[labels == 0].mean()),
        roc_auc=metrics.roc_auc(person, labels),
    )


def _judge(splits: tuple[str, ...]) -> str:
    """The split that decides: ``val``, or the first one without it."""
    return "val" if "val" in splits else splits[0]


def _distance(one: npt.NDArray[np.floating[Any]], other: npt.NDArray[np.floating[Any]]) -> float:
    """How far two networks' P(person) differ on average."""
    return float(np.abs(one - other).mean())


def write_model(path: Path, content: bytes, card: ModelCard) -> None:
    """Write a model and its card, each whole or not at all.

    Raises:
        DataError: they cannot be written, or the card's place is taken by a file that is no card.
    """
    ModelCard.check_place(path.with_suffix(".json"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
        card.save(path.with_suffix(".json"))
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}", hint="Free some disk space.") from error


def describe_data(dataset: Dataset) -> dict[str, Any]:
    """What a card says about the data: its name, the pictures by split and class, and a hash of names and labels."""
    text = "".join(sorted(f"{one.path.name},{one.label},{one.split}\n" for one in dataset.pictures))
    folder = dataset.origin if dataset.origin.is_dir() else dataset.origin.parent
    counts = dataset.counts()
    return {
        "name": folder.name,
        "pictures": {split: counts[split] for split in SPLITS if split in counts},
        "names_and_labels_sha256": hashlib.sha256(os.fsencode(text)).hexdigest(),
    }


def accuracy_of(exact: dict[str, Figures], rough: dict[str, Figures]) -> dict[str, dict[str, float]]:
    """What a card says by split: the pictures, and top-1, each class and the ROC area of int8 and of float."""
    return {
        split: {
            "pictures": rough[split].pictures,
            **{
                f"{kind}{ending}": round(value, 4)
                for kind, one in (("int8", rough[split]), ("float", exact[split]))
                for ending, value in (
                    ("", one.top1),
                    ("_person", one.person),
                    ("_no_person", one.no_person),
                    ("_roc_auc", one.roc_auc),
                )
            },
        }
        for split in rough
    }


def _counted(compiled: Compiled) -> dict[str, int]:
    """Instructions and modelled cycles of an inference on the emulated Cortex-M4; nothing without its tools."""
    try:
        from vww_deploy.compiler.profile import profile_engine

        found = profile_engine(compiled)
    except (ToolMissing, BuildError):
        return {}
    return {"instructions": found.instructions, "cycles": found.cycles or 0}


def _spec(content: bytes) -> InputSpec:
    """The input of a float ``.tflite``, which must take gray or RGB pictures."""
    interpreter = open_interpreter(content)
    height, width, channels = (int(n) for n in interpreter.get_input_details()[0]["shape"][1:])
    if channels not in (1, 3):
        raise ModelError(
            f"the model takes {channels} channels", hint="Pictures have 1 (gray) or 3 (RGB): train it on such ones."
        )
    return InputSpec(height, width, channels)


def _outputs(content: bytes, labels: Sequence[str], person_label: str | None) -> OutputSpec:
    """What a float ``.tflite`` ends in.

    Raises:
        ModelError: the labels are another model's, or do not say which class is a person.
    """
    shape = [int(n) for n in open_interpreter(content).get_output_details()[0]["shape"][1:]] or [1]
    rows, columns = shape[:2] if len(shape) == 3 else (1, 1)
    channels, is_map = shape[-1], rows * columns > 1
    names = class_labels.fitted(labels, channels, is_map=is_map) if labels else LABELS if channels <= 2 else ()
    if names is None:
        raise ModelError(
            f"{len(labels)} labels, but the model ends in {channels} values",
            hint="The labels file names the model's classes, one a line.",
        )
    person = class_labels.index_of(names, person_label) if person_label else class_labels.find_person(names)
    if not names or person is None:
        raise ModelError(
            f"the model ends in {channels} values, and nobody knows which of them is a person",
            hint="Name them with --labels FILE, one a line, and the person with --person-label NAME.",
        )
    return OutputSpec(tuple(names), person, channels=channels, rows=rows, columns=columns)


def _card(
    name: str,
    content: bytes,
    spec: InputSpec,
    outputs: OutputSpec,
    exact: dict[str, Figures],
    rough: dict[str, Figures],
    description: str,
    about: dict[str, Any],
) -> ModelCard:
    compiled = compile_model(read_model(content, name=name))
    report = compiled.report()
    return ModelCard(
        name=name,
        input=spec,
        labels=outputs.labels,
        person_label="" if class_labels.find_person(outputs.labels) == outputs.person else outputs.pair[1],
        sha256=hashlib.sha256(content).hexdigest(),
        description=description,
        details={
            "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
            "accuracy": accuracy_of(exact, rough),
            "macs": report.macs,
            "parameters": report.parameters,
            "file_bytes": len(content),
            "flash_bytes": report.flash_bytes,
            "ram_bytes": report.ram_bytes,
            **_counted(compiled),
            **about,
        },
    )
