"""``vww-deploy quantize``: a float network as an int8 model with its card."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vww_deploy.cli import common, data_options
from vww_deploy.cli.data_options import DataArgument, PicturesOption
from vww_deploy.cli.packed import show

if TYPE_CHECKING:
    from vww_deploy.training.datasets import Dataset


def command(
    source: Annotated[
        Path,
        typer.Argument(
            help="A training's folder, a .keras or .h5 model, a SavedModel or a float .tflite.", metavar="MODEL"
        ),
    ],
    data: DataArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="The model to write.", metavar="FILE")] = Path(
        "model.tflite"
    ),
    pictures: PicturesOption = None,
    test: Annotated[bool, typer.Option("--test", help="Measure on the splits test and train, too.")] = False,
    size: Annotated[
        int | None, typer.Option("--size", help="Height and width for a model that takes any.", min=1)
    ] = None,
    pixel_range: Annotated[
        tuple[float, float] | None,
        typer.Option(
            "--pixel-range",
            help="What pixel 0 and pixel 255 are to a model from elsewhere; default: (pixel - 128) / 128.",
            metavar="LOW HIGH",
        ),
    ] = None,
    labels: common.LabelsOption = None,
    person_label: common.PersonLabelOption = None,
    fine_tune: Annotated[
        bool | None,
        typer.Option(
            "--fine-tune/--no-fine-tune",
            help="Train it to say at int8 what it says in float; by itself only if int8 loses over half a point.",
        ),
    ] = None,
    as_json: common.JsonOption = False,
) -> None:
    """Quantise to full int8, measure it beside float, and write the model and its card.

    Example: vww-deploy quantize training/ photos/ -o person.tflite --test
    """
    from vww_deploy.errors import DataError
    from vww_deploy.pictures.class_labels import read_labels_txt
    from vww_deploy.training.package import ALLOWED_LOSS
    from vww_deploy.training.sources import is_training, quantise_source

    if pixel_range is not None and not -math.inf < pixel_range[0] < pixel_range[1] < math.inf:
        raise DataError("the pixel range does not rise", hint="For example --pixel-range 0 1 or --pixel-range -1 1.")
    dataset = data_options.read(data, pictures)
    with common.err.status("Reading") as status:
        packed = quantise_source(
            source,
            dataset,
            output if output.suffix == ".tflite" else output.with_suffix(".tflite"),
            splits=_splits(dataset) if test else ("val",),
            size=size,
            pixel_range=pixel_range,
            labels=read_labels_txt(labels) if labels is not None else (),
            person_label=person_label,
            fine_tune=fine_tune,
            progress=common.steps_to(status),
        )
    if pixel_range is None and packed.card.input.pixel_range is not None:
        common.notice("the model scales its pictures itself: pixels are given to it as 0 to 255")
    for text in packed.unreadable[:3]:
        common.notice(text)
    if len(packed.unreadable) > 3:
        common.notice(f"{len(packed.unreadable)} pictures were left out in all")
    if as_json:
        common.print_json(packed)
        return
    show(packed)
    if packed.lost_points > ALLOWED_LOSS and not packed.fine_tuned and not is_training(source):
        common.notice("int8 loses over half a point; only the folder of a training can be fine-tuned for int8")


def _splits(dataset: Dataset) -> tuple[str, ...]:
    """All splits; a set to measure on need not hold ``train``."""
    from vww_deploy.training.datasets import SPLITS

    return tuple(split for split in SPLITS if split != "train" or split in dataset.counts())
