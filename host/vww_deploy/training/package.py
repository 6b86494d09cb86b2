"""A trained network made ready to ship: int8, measured, and described by a model card."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from vww_deploy.compiler import Compiled, compile_model
from vww_deploy.errors import BuildError, DataError, ToolMissing
from vww_deploy.graph import preprocess
from vww_deploy.graph.card import InputSpec, ModelCard
from vww_deploy.graph.reader import read_model
from vww_deploy.training import metrics
from vww_deploy.training.datasets import SPLITS, Dataset
from vww_deploy.training.quantize import LayerNoise, ease, float_tflite, layer_noise, predict_tflite, quantise, sample

CALIBRATION_PICTURES: Final = 400
ALLOWED_LOSS: Final = 0.5
"""Percentage points of top-1 that int8 may lose before it is fine-tuned."""
_NOISE_PICTURES: Final = 16


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
    """What :func:`pack` made."""

    path: Path
    card: ModelCard
    float_figures: dict[str, Figures]
    int8_figures: dict[str, Figures]
    noise: tuple[LayerNoise, ...]
    """The layers by signal to noise, the noisiest first; before fine-tuning."""
    fine_tuned: bool = False

    @property
    def lost_points(self) -> float:
        """Top-1 that int8 loses against float on ``val`` (or the only split), in percentage points."""
        split = "val" if "val" in self.float_figures else next(iter(self.float_figures))
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
    seed: int = 1,
    allowed_loss: float = ALLOWED_LOSS,
    fine_tune: FineTune | None = None,
    description: str = "",
    about: dict[str, Any] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Packed:
    """Quantise a network, measure it beside the float one, and write ``path`` and its model card.

    Args:
        source: a Keras model or the path of one, of a SavedModel or of a float ``.tflite``.
        dataset: gives the calibration pictures (from ``train``) and those to measure on.
        splits: to measure on.
        allowed_loss: percentage points of top-1 that int8 may lose before ``fine_tune`` is asked; -100 asks it always.
        fine_tune: gives the network fine-tuned for int8; kept if it is nearer to float on the first split.
        about: what else the card records: recipe, seeds, data.
        say: told what is being done.

    Raises:
        ModelError: the network cannot be converted.
        DataError: pictures are missing, or the model cannot be written.
    """
    say("converting")
    given = float_tflite(source, size=size)
    spec = _spec(given)
    training = tuple(one for one in dataset.pictures if one.split == "train") or dataset.pictures
    calibration, _ = pixels_of(sample_of(Dataset(dataset.origin, training), CALIBRATION_PICTURES, seed), spec)
    say("quantising")
    exact = ease(given, calibration)
    rough = quantise(exact, calibration)
    measured = {split: pixels_of(dataset.split(split), spec) for split in splits}
    say("measuring")
    said = {split: predict_tflite(given, data[0]) for split, data in measured.items()}
    told = {split: predict_tflite(rough, data[0]) for split, data in measured.items()}
    float_figures = {split: figures(said[split], data[1]) for split, data in measured.items()}
    int8_figures = {split: figures(told[split], data[1]) for split, data in measured.items()}
    noise = layer_noise(exact, rough, sample(calibration, _NOISE_PICTURES, seed))
    first, tuned = splits[0], False
    lost = 100 * (float_figures[first].top1 - int8_figures[first].top1)
    if fine_tune is not None and lost > allowed_loss:
        say("fine-tuning for int8")
        better = quantise(ease(float_tflite(fine_tune(), size=size), calibration), calibration, like=exact)
        again = {split: predict_tflite(better, data[0]) for split, data in measured.items()}
        # Nearer to float on pictures it has not seen, whatever their labels: no lucky draw of labels is kept.
        if _apart(again[first], said[first]) < _apart(told[first], said[first]):
            rough, tuned = better, True
            int8_figures = {split: figures(again[split], data[1]) for split, data in measured.items()}
    about = {"seed": seed, "fine_tuned_for_int8": tuned, **(about or {})}
    card = _card(path.stem, rough, spec, float_figures, int8_figures, description, about)
    write_model(path, rough, card)
    return Packed(path, card, float_figures, int8_figures, tuple(noise), tuned)


def sample_of(dataset: Dataset, count: int, seed: int) -> Dataset:
    """Some of the pictures, drawn at random without repetition."""
    order = np.sort(np.random.default_rng(seed).permutation(len(dataset.pictures))[:count])
    return Dataset(dataset.origin, tuple(dataset.pictures[i] for i in order))


def pixels_of(dataset: Dataset, spec: InputSpec) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The frames that a model sees, uint8 ``[N, h, w, c]``, and labels ``[N]``; unreadable ones are left out.

    Raises:
        DataError: none is readable.
    """
    frames, labels = [], []
    for picture in dataset.pictures:
        try:
            image = preprocess.open_picture(preprocess.read_picture_file(picture.path), str(picture.path))
            frames.append(preprocess.to_pixels(image, spec))
        except DataError:
            continue
        labels.append(picture.label)
    if not frames:
        raise DataError(f"no picture of {dataset.origin} is readable")
    return np.stack(frames), np.array(labels, np.int64)


def figures(person: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> Figures:
    """Top-1 (threshold 0.5), both classes, and the area under the ROC curve."""
    right = (person >= 0.5) == (labels == 1)
    return Figures(
        pictures=len(labels),
        top1=float(right.mean()),
        person=float(right[labels == 1].mean()),
        no_person=float(right[labels == 0].mean()),
        roc_auc=metrics.roc_auc(person, labels),
    )


def _apart(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    """How far two networks' P(person) lie apart on average."""
    return float(np.abs(one - other).mean())


def write_model(path: Path, content: bytes, card: ModelCard) -> None:
    """Write a model and its card, each whole or not at all.

    Raises:
        DataError: they cannot be written.
    """
    unfinished = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
        unfinished.replace(path)
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
        "names_and_labels_sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def _counted(compiled: Compiled) -> dict[str, int]:
    """Instructions and modelled cycles of an inference on the emulated Cortex-M4; nothing without its tools."""
    try:
        from vww_deploy.compiler.profile import profile_engine

        found = profile_engine(compiled)
    except (ToolMissing, BuildError):
        return {}
    return {"instructions": found.instructions, "cycles": found.cycles}


def _spec(content: bytes) -> InputSpec:
    from ai_edge_litert.interpreter import Interpreter

    height, width, channels = (int(n) for n in Interpreter(model_content=content).get_input_details()[0]["shape"][1:])
    return InputSpec(height, width, channels)


def _card(
    name: str,
    content: bytes,
    spec: InputSpec,
    exact: dict[str, Figures],
    rough: dict[str, Figures],
    description: str,
    about: dict[str, Any],
) -> ModelCard:
    compiled = compile_model(read_model(content, name=name))
    report = compiled.report()
    accuracy = {
        split: {
            "pictures": rough[split].pictures,
            "int8": round(rough[split].top1, 4),
            "int8_person": round(rough[split].person, 4),
            "int8_no_person": round(rough[split].no_person, 4),
            "int8_roc_auc": round(rough[split].roc_auc, 4),
            "float": round(exact[split].top1, 4),
            "float_roc_auc": round(exact[split].roc_auc, 4),
        }
        for split in rough
    }
    return ModelCard(
        name=name,
        input=spec,
        sha256=hashlib.sha256(content).hexdigest(),
        description=description,
        details={
            "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
            "accuracy": accuracy,
            "macs": report.macs,
            "parameters": report.parameters,
            "file_bytes": len(content),
            "flash_bytes": report.flash_bytes,
            "ram_bytes": report.ram_bytes,
            **_counted(compiled),
            **about,
        },
    )
