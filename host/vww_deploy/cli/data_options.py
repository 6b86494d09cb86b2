"""Arguments of the commands that read a set of labelled pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vww_deploy.cli import common

if TYPE_CHECKING:
    from vww_deploy.pictures.outputs import OutputSpec
    from vww_deploy.training.datasets import Dataset

DataArgument = Annotated[
    Path, typer.Argument(help="A folder, a labels CSV, COCO JSON or a Wake Vision CSV.", metavar="DATA")
]
PicturesOption = Annotated[
    Path | None,
    typer.Option("--pictures", metavar="DIR", help="The folder of pictures that COCO JSON or Wake Vision speaks of."),
]


def read(data: Path, pictures: Path | None, outputs: OutputSpec | None = None) -> Dataset:
    """The set of pictures, for the model of some outputs; says on stderr what was left out of it.

    Raises:
        DataError: as :func:`vww_deploy.training.datasets.read_dataset` has it.
    """
    from vww_deploy.training.datasets import read_dataset

    dataset = read_dataset(data, pictures, outputs=outputs)
    for text in dataset.left_out:
        common.notice(f"left out: {text}")
    if dataset.missing:
        common.notice(f"left out: {dataset.missing} pictures that {data.name} names and that are not there")
    return dataset
